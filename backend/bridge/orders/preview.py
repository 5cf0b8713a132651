"""What would become of an order, without placing it."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from typing import Any

from octobot_trading.enums import TraderOrderType

from backend.bridge.context import BotContext
from backend.bridge.octobot.conversion import ZERO, decimal_or_none
from backend.bridge.octobot.trading_rules import read_rules
from backend.bridge.orders.factory import is_marketable
from backend.bridge.orders.margin_preview import margin_funds
from backend.bridge.orders.validation import price_of, refusals
from backend.errors import InsufficientFunds, OrderRefused
from backend.schemas.order_commands import FundsAfter, OrderPreview, Refusal
from backend.schemas.orders import Fee, NewOrder

_MARKET_STOPS = frozenset({"stop_loss", "take_profit", "trailing_stop"})


async def preview_order(context: BotContext, asked: NewOrder) -> OrderPreview:
    """Round, price and check an order against rules, limits and funds; on the bot's loop."""
    manager = context.runner.exchange(asked.exchange)
    price = await price_of(manager, asked.symbol)
    rules = read_rules(manager, asked.symbol)
    quantity = _rounded(asked.quantity, rules.quantity_step, ROUND_DOWN)
    fill_price = _rounded(_fill_price(asked, price), rules.price_step, ROUND_HALF_EVEN)
    fee = expected_fee(manager, asked, quantity, fill_price)
    cost = quantity * fill_price
    funds_after = margin_funds if manager.is_future else _funds
    funds = funds_after(manager, asked, quantity, cost, fee)
    broken: list[OrderRefused] = [
        *context.pre_trade.broken(asked, price),
        *refusals(manager, asked, price),
    ]
    if any(row.after_filling < ZERO for row in funds):
        broken.append(InsufficientFunds("not enough available for this order"))
    return OrderPreview(
        accepted=not broken,
        refusals=[Refusal(type=refusal.type, details=refusal.details) for refusal in broken],
        quantity=quantity,
        price=fill_price,
        cost=cost,
        fee=fee,
        funds=funds,
    )


def expected_fee(manager: Any, asked: NewOrder, quantity: Decimal, price: Decimal) -> Fee | None:
    """Return the fee that OctoBot expects for a fill at this price."""
    resting = asked.type == "limit" and asked.price is not None and asked.price != price
    # OctoBot reads the side, and so the fee's currency, off the type: its stops all sell
    buys = asked.side == "buy" and asked.type not in _MARKET_STOPS
    kind = TraderOrderType.BUY_LIMIT if buys else TraderOrderType.SELL_LIMIT
    raw = manager.exchange.get_trade_fee(
        asked.symbol, kind, quantity, price, "maker" if resting else "taker"
    )
    cost = decimal_or_none(raw.get("cost"))
    return None if cost is None else Fee(cost=cost, currency=raw["currency"])


def _fill_price(asked: NewOrder, price: Decimal) -> Decimal:
    if asked.type == "market":
        return price
    if asked.type == "limit" and asked.price is not None:
        return price if is_marketable(asked.side, asked.price, price) else asked.price
    return asked.price or asked.stop_price or price


def _funds(
    manager: Any, asked: NewOrder, quantity: Decimal, cost: Decimal, fee: Fee | None
) -> list[FundsAfter]:
    base, quote = asked.symbol.split(":")[0].split("/")
    sign = 1 if asked.side == "buy" else -1
    filled = {base: sign * quantity, quote: -sign * cost}
    if fee is not None:
        filled[fee.currency] = filled.get(fee.currency, ZERO) - fee.cost
    locks = asked.type in ("market", "limit")
    portfolio = manager.exchange_personal_data.portfolio_manager.portfolio
    rows = []
    for asset, change in filled.items():
        available = portfolio.get_currency_portfolio(asset).available
        placed = available + (min(change, ZERO) if locks else ZERO)
        rows.append(
            FundsAfter(
                asset=asset,
                available=available,
                after_placing=placed,
                after_filling=available + change,
            )
        )
    return rows


def _rounded(value: Decimal, step: Decimal | None, how: str) -> Decimal:
    return value if not step else (value / step).quantize(Decimal(1), rounding=how) * step
