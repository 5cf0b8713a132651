"""Trailing stops: orders whose stop price follows the market at a fixed distance."""

from __future__ import annotations

from decimal import Decimal

from backend.bridge.ledger.ledger import Ledger
from backend.bridge.octobot.exchange import Exchange
from backend.schemas.common import utc_now
from backend.schemas.orders import Order


async def move_trailing_stops(
    exchange: Exchange, ledger: Ledger, symbol: str, price: Decimal
) -> None:
    """Move the stop prices that a new price moves, in OctoBot and in the ledger."""
    for order, stop_price in _moved_by(exchange, ledger, symbol, price):
        held = exchange.orders.get(order.id)
        if held is not None and held.can_be_edited():
            await exchange.orders.amend(held, price=stop_price, stop_price=stop_price)
            moved = {"stop_price": stop_price, "updated_at": utc_now()}
            ledger.update(order.model_copy(update=moved), "amended")


def _moved_by(
    exchange: Exchange, ledger: Ledger, symbol: str, price: Decimal
) -> list[tuple[Order, Decimal]]:
    """Return the trailing stops that a price moves, each with its new stop price."""
    moved = []
    for entry in ledger.open_orders:
        order = entry.item
        if order.type != "trailing_stop" or order.symbol != symbol or order.stop_price is None:
            continue
        if order.exchange != exchange.name:
            continue
        distance = ledger.tracking_of(order.id).trailing_distance
        if distance is None:
            continue
        stop_price = price - distance if order.side == "sell" else price + distance
        rises, falls = stop_price > order.stop_price, stop_price < order.stop_price
        if rises if order.side == "sell" else falls:
            moved.append((order, stop_price))
    return moved
