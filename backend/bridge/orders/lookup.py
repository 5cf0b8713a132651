"""Resolution of an order of unknown outcome by a look-up at its exchange."""

from __future__ import annotations

from backend.bridge.ledger.ledger import Ledger
from backend.bridge.ledger.order_state import FOUND, OPEN_STATUSES
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.orders.brackets import resize_exits
from backend.schemas.orders import Order


async def resolve_unknown(exchange: Exchange, ledger: Ledger, order: Order) -> bool:
    """Record the exchange's state of an order, in OctoBot too; return whether it knows the order.

    Raises `LookUpFailed` when the exchange does not respond.
    """
    found = await exchange.lookup.look_up(order, ledger.tracking_of(order.id), ledger.is_bound)
    if found is None:
        return False
    ledger.bind(order.id, found.exchange_id)
    await exchange.lookup.reload(order.symbol, found.exchange_id)
    held = exchange.orders.by_exchange_id(found.exchange_id)
    if held is not None:
        tracking = ledger.tracking_of(order.id)
        tracking = resize_exits(ledger, tracking, found.order.quantity, held)
        ledger.update(found.order, FOUND[found.order.status], tracking)
    elif found.order.status not in OPEN_STATUSES:
        ledger.update(found.order, FOUND[found.order.status])
    # it was open a moment ago and has ended since: it is looked up again
    return True
