"""Simulated fills made exact: stops and take profits at the market's price."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import octobot_trading.errors as trading_errors

from backend.bridge.ledger.ledger import Ledger
from backend.bridge.octobot.conversion import last_price
from backend.bridge.orders.execution import drop
from backend.bridge.orders.factory import build
from backend.bridge.orders.oco import cancel_if_spent
from backend.schemas.orders import Order

_LIMIT_FORMS = frozenset({"stop_limit", "take_profit_limit"})


def fill_stops_at_market(manager: Any, ledger: Ledger) -> None:
    """Patch the simulator to fill stops and take profits at the market, and only if funds suffice.

    OctoBot's simulator locks no funds for them, fills them at their trigger
    price even across a gap, and reports them filled when the funds are gone.
    """
    create = manager.trader.create_order

    async def create_patched(order: Any, *args: Any, **kwargs: Any) -> Any:
        if manager.is_future or not order.is_counted_in_available_funds():
            _patch_fill(order, manager, ledger)
        try:
            created = await create(order, *args, **kwargs)
        except Exception:  # raised again
            if order.triggered_by is not None:
                ledger.reject_exit(order.order_id)
            raise
        await cancel_if_spent(manager, order)
        return created

    manager.trader.create_order = create_patched


def _patch_fill(order: Any, manager: Any, ledger: Ledger) -> None:
    fill = order.on_fill

    async def fill_at_market(*args: Any, **kwargs: Any) -> None:
        known = ledger.orders.get(order.order_id)
        if known is not None and known.item.type in _LIMIT_FORMS:
            await _turn_into_limit(order, known.item, manager, ledger)
            return
        price = order.origin_price
        if not order.is_counted_in_available_funds():
            price = last_price(manager, order.symbol) or price
        if _is_covered(order, manager, price):
            order.filled_price = price
            order.origin_price = price  # OctoBot takes the funds at this one
            await fill(*args, **kwargs)
        else:
            ledger.expect_rejection(order.order_id)
            await manager.trader.cancel_order(order)

    order.on_fill = fill_at_market


async def _turn_into_limit(order: Any, known: Order, manager: Any, ledger: Ledger) -> None:
    """Replace a triggered stop limit by its limit order, under the same id."""
    group = order.order_group
    order.clear_active_order_elements()
    drop(manager, order)
    price = last_price(manager, known.symbol) or order.origin_price
    limit = build(manager, known.model_copy(update={"type": "limit", "stop_price": None}), price)
    if group is not None:
        limit.add_to_order_group(group)
    tracking = replace(ledger.tracking_of(known.id), is_triggered=True)
    ledger.apply_event(known.id, "triggered", tracking)
    try:
        await manager.trader.create_order(limit, raise_all_creation_error=True)
    except (trading_errors.OctoBotExchangeError, trading_errors.PortfolioNegativeValueError):
        drop(manager, limit)
        ledger.apply_event(known.id, "refused")


def _is_covered(order: Any, manager: Any, price: Decimal) -> bool:
    portfolio = manager.exchange_personal_data.portfolio_manager.portfolio
    if manager.is_future:
        return bool(portfolio.covers(order, price))
    base, quote = order.symbol.split("/")
    if order.side.value == "sell":
        available = portfolio.get_currency_portfolio(base).available + _freed(order, "quantity")
        return bool(available >= order.origin_quantity)
    fee = manager.exchange.get_trade_fee(
        order.symbol, order.order_type, order.origin_quantity, price, "taker"
    )
    needed = order.origin_quantity * price + Decimal(str(fee["cost"]))
    available = portfolio.get_currency_portfolio(quote).available + _freed(order, "cost")
    return bool(available >= needed)


def _freed(order: Any, what: str) -> Decimal:
    """Return the amount locked by the orders that this one's fill cancels."""
    if order.order_group is None:
        return Decimal(0)
    total = Decimal(0)
    for other in order.order_group.get_group_open_orders():
        if other is not order and other.is_counted_in_available_funds():
            price = Decimal(1) if what == "quantity" else other.origin_price
            total += other.origin_quantity * price
    return total
