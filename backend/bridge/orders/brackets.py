"""Bracket exits: the take profit and stop loss that are placed when an entry fills."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from backend.bridge.ledger.ledger import Ledger
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.octobot.order import OctoBotOrder
from backend.bridge.orders.factory import build
from backend.bridge.orders.oco import oco_group_of
from backend.ports.order_tracking import OrderTracking
from backend.schemas.orders import Order


async def chain_exits(
    exchange: Exchange, entry: OctoBotOrder, exits: Sequence[Order], ledger: Ledger
) -> None:
    """Chain the exits to the entry: OctoBot places them as an OCO pair when it fills."""
    if not exits:
        return
    entry_id = exits[0].parent_order_id or entry.order_id
    group = oco_group_of(exchange, ledger, entry_id)
    for order in exits:
        # the market decides that when the entry has filled, not now
        built = build(exchange, order, entry.created_last_price, takes=False)
        built.update_price_if_outdated = _keep_price
        built.add_to_order_group(group)
        ledger.expect(order, OrderTracking(group=entry_id))
        # an exit sells what the entry bought: its fee may have taken a part
        await exchange.orders.chain(entry, built)
        built.exchange_creation_params = exchange.order_mapping.exchange_params(order)


async def _keep_price() -> None:
    """Fix an exit's price as requested: OctoBot would move it towards the market."""


def tracking_for(order: Order, exits: Sequence[Order], price: Decimal) -> OrderTracking:
    """Return the tracking data of a new order that is placed at this price."""
    distance = None
    if order.type == "trailing_stop" and order.stop_price is not None:
        distance = abs(price - order.stop_price)
    return OrderTracking(exits=tuple(exits), trailing_distance=distance)


def less_fee(exchange: Exchange, ledger: Ledger, order: Order) -> Order:
    """Reduce an exit by its entry's fee, as OctoBot does when the entry fills."""
    base = order.symbol.split("/")[0]
    fees = [
        fee.cost
        for trade in ledger.trades.newest_first()
        if trade.item.order_id == order.parent_order_id
        for fee in trade.item.charges
        if fee.currency == base
    ]
    if not fees:
        return order
    entry = ledger.orders.get(order.parent_order_id or "")
    filled = order.quantity if entry is None else min(order.quantity, entry.item.filled)
    quantity = exchange.orders.adapt_quantity(order.symbol, filled - sum(fees))
    return order.model_copy(update={"quantity": quantity, "remaining": quantity})


def resize_exits(
    ledger: Ledger, tracking: OrderTracking, quantity: Decimal, entry: OctoBotOrder
) -> OrderTracking:
    """Set the exits to the quantity that their entry will fill now; return its new tracking."""
    if not tracking.exits:
        return tracking
    resized = []
    for order in tracking.exits:
        order = order.model_copy(update={"quantity": quantity, "remaining": quantity})
        ledger.expect(order, OrderTracking(group=order.parent_order_id))
        resized.append(order)
    for chained in entry.chained_orders:
        chained.origin_quantity = quantity
    return replace(tracking, exits=tuple(resized))
