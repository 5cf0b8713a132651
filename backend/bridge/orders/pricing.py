"""Market price of an order: one that its exchange has confirmed lately, where one is needed."""

from __future__ import annotations

from decimal import Decimal

from backend.bridge.context import BotContext
from backend.bridge.octobot.exchange import Exchange
from backend.schemas.orders import NewOrder


async def market_price(context: BotContext, exchange: Exchange, asked: NewOrder) -> Decimal:
    """Return the market's price; raises `PriceStale` where the order needs a confirmed one.

    The simulator executes at our price. A real exchange executes at its own, and then only
    a limit of value and the sides of stops and exits need ours: a position can be closed
    while prices are stale.
    """
    if context.price_monitor.is_stale(exchange, asked.symbol) and not _needs_price(context, asked):
        exchange.market.require_symbol(asked.symbol)
        last = exchange.price(asked.symbol)
        if last is not None:
            return last
    return await context.price_monitor.current(exchange, asked.symbol)


def _needs_price(context: BotContext, asked: NewOrder) -> bool:
    return (
        context.mode.executes_at_our_prices
        or asked.stop_price is not None
        or asked.take_profit is not None
        or asked.stop_loss is not None
        or (context.pre_trade.limits_value and not asked.reduce_only)
    )
