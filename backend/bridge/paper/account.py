"""Restoration of a paper account at each boot: its balances and its open orders."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from backend.bridge.ledger.bracket_state import has_sibling_ended
from backend.bridge.ledger.ledger import Ledger
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.orders.brackets import chain_exits, less_fee
from backend.bridge.orders.factory import build
from backend.bridge.orders.oco import oco_group_of
from backend.errors import BridgeError
from backend.ports.order_tracking import OrderTracking
from backend.schemas.common import utc_now
from backend.schemas.orders import Order


def restore_balances(exchange: Exchange, balances: Mapping[str, Decimal]) -> None:
    """Set the simulator's balances from the journal; a stop clears its own."""
    exchange.account.replace_balances(balances)


async def restore_orders(exchange: Exchange, ledger: Ledger) -> None:
    """Place the ledger's open orders again in the simulator, which forgets them at each stop."""
    ours = [entry.item for entry in reversed(ledger.open_orders)]
    unplaced = ledger.create_missing_exits(exchange.name)
    ours += [ledger.update(less_fee(exchange, ledger, order), "amended") for order in unplaced]
    for order in (order for order in ours if order.exchange == exchange.name):
        tracking = ledger.tracking_of(order.id)
        if has_sibling_ended(order, ledger.orders):
            ledger.apply_event(order.id, "withdrawn")
            continue
        if order.valid_until is not None and order.valid_until <= utc_now():
            ledger.apply_event(order.id, "reported_expired")
            continue
        price = exchange.price(order.symbol) or order.stop_price or order.price
        if price is None or not await _place_again(exchange, ledger, order, price, tracking):
            ledger.apply_event(order.id, "refused")


async def _place_again(
    exchange: Exchange, ledger: Ledger, order: Order, price: Decimal, tracking: OrderTracking
) -> bool:
    as_limit = order.model_copy(update={"type": "limit", "stop_price": None})
    # a resting order is restored as it was; the next price decides whether the market has
    # crossed it meanwhile
    instance = build(exchange, as_limit if tracking.is_triggered else order, price, takes=False)
    if tracking.group is not None:
        instance.add_to_order_group(oco_group_of(exchange, ledger, tracking.group))
    await chain_exits(exchange, instance, tracking.exits, ledger)
    try:
        await exchange.orders.place(instance)
    except BridgeError:
        exchange.orders.drop(instance)
        return False
    return True
