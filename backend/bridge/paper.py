"""Makes OctoBot's paper trader treat triggered orders as an exchange would."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from backend.bridge.convert import last_price
from backend.bridge.ledger import Ledger


def make_realistic(manager: Any, ledger: Ledger) -> None:
    """Have each stop and take profit executed at the market's price, and only if funds suffice.

    OctoBot's simulator locks no funds for them, fills them at their trigger
    price even across a gap, and reports them filled when the funds are gone.
    """
    create = manager.trader.create_order

    async def create_attended(order: Any, *args: Any, **kwargs: Any) -> Any:
        if not order.is_counted_in_available_funds():
            _attend(order, manager, ledger)
        return await create(order, *args, **kwargs)

    manager.trader.create_order = create_attended


def _attend(order: Any, manager: Any, ledger: Ledger) -> None:
    fill = order.on_fill

    async def fill_at_market(*args: Any, **kwargs: Any) -> None:
        price = last_price(manager, order.symbol) or order.origin_price
        if _is_covered(order, manager, price):
            order.filled_price = price
            order.origin_price = price  # OctoBot takes the funds at this one
            await fill(*args, **kwargs)
        else:
            ledger.reject(order.order_id)
            await manager.trader.cancel_order(order)

    order.on_fill = fill_at_market


def _is_covered(order: Any, manager: Any, price: Decimal) -> bool:
    if manager.is_future:
        return True  # a position's margin covers what reduces it
    portfolio = manager.exchange_personal_data.portfolio_manager.portfolio
    base, quote = order.symbol.split("/")
    if order.side.value == "sell":
        return bool(portfolio.get_currency_portfolio(base).available >= order.origin_quantity)
    fee = manager.exchange.get_trade_fee(
        order.symbol, order.order_type, order.origin_quantity, price, "taker"
    )
    needed = order.origin_quantity * price + Decimal(str(fee["cost"]))
    return bool(portfolio.get_currency_portfolio(quote).available >= needed)
