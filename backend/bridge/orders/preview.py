"""Preview of an order: its cost, fee, funds and broken rules, without placing it."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal

from backend.bridge.context import BotContext
from backend.bridge.octobot.conversion import ZERO
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.orders.factory import is_marketable
from backend.bridge.orders.margin_preview import margin_funds
from backend.bridge.orders.validation import refusals
from backend.errors import InsufficientFunds, OrderRefused
from backend.schemas.order_commands import FundsAfter, OrderPreview, Refusal
from backend.schemas.orders import Fee, NewOrder, Side

_MARKET_STOPS = frozenset({"stop_loss", "take_profit", "trailing_stop"})


async def preview_order(context: BotContext, asked: NewOrder) -> OrderPreview:
    """Round, price and check an order against rules, limits and funds; on the bot's loop."""
    exchange = context.runner.exchange(asked.exchange)
    price = await context.price_monitor.current(exchange, asked.symbol)
    rules = exchange.rules(asked.symbol)
    quantity = _rounded(asked.quantity, rules.quantity_step, ROUND_DOWN)
    fill_price = _rounded(_fill_price(asked, price), rules.price_step, ROUND_HALF_EVEN)
    fee = expected_fee(exchange, asked, quantity, fill_price)
    cost = quantity * fill_price
    funds_after = margin_funds if exchange.is_futures else _funds
    funds = funds_after(exchange, asked, quantity, cost, fee)
    broken: list[OrderRefused] = [
        *context.pre_trade.broken(asked, price),
        *refusals(exchange, asked, price),
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


def expected_fee(
    exchange: Exchange, asked: NewOrder, quantity: Decimal, price: Decimal
) -> Fee | None:
    """Return the fee that OctoBot expects for a fill at this price."""
    resting = asked.type == "limit" and asked.price is not None and asked.price != price
    # OctoBot infers the side, and so the fee's currency, from the type: its stops all sell
    buys = asked.side == "buy" and asked.type not in _MARKET_STOPS
    side: Side = "buy" if buys else "sell"
    return exchange.orders.expected_fee(
        asked.symbol, "limit", side, quantity, price, is_maker=resting
    )


def _fill_price(asked: NewOrder, price: Decimal) -> Decimal:
    if asked.type == "market":
        return price
    if asked.type == "limit" and asked.price is not None:
        return price if is_marketable(asked.side, asked.price, price) else asked.price
    return asked.price or asked.stop_price or price


def _funds(
    exchange: Exchange, asked: NewOrder, quantity: Decimal, cost: Decimal, fee: Fee | None
) -> list[FundsAfter]:
    base, quote = asked.symbol.split(":")[0].split("/")
    sign = 1 if asked.side == "buy" else -1
    filled = {base: sign * quantity, quote: -sign * cost}
    if fee is not None:
        filled[fee.currency] = filled.get(fee.currency, ZERO) - fee.cost
    locks = asked.type in ("market", "limit")
    rows = []
    for asset, change in filled.items():
        available = exchange.account.available(asset)
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
