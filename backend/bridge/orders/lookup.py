"""Looks for an order of ours at a real exchange, and enters what has become of it."""

from __future__ import annotations

import contextlib
from typing import Any

import ccxt
import octobot_trading.errors as trading_errors

from backend.bridge.ledger.ledger import Ledger
from backend.bridge.ledger.order_state import FOUND, OPEN_STATUSES
from backend.bridge.octobot.conversion import decimal_or_none, fee_from_dict
from backend.bridge.orders.brackets import resize_exits
from backend.schemas.common import utc_now
from backend.schemas.orders import Order

UNANSWERED = (ccxt.BaseError, trading_errors.OctoBotExchangeError)
"""What a look-up raises when the exchange does not answer it."""

_STATUSES = {
    "open": "open",
    "closed": "filled",
    "canceled": "canceled",
    "expired": "expired",
    "rejected": "rejected",
}


async def find_order(manager: Any, order: Order, exchange_id: str | None) -> dict[str, Any] | None:
    """Return ccxt's order that has this id, or bears ours as its client order id."""
    client = manager.exchange.connector.client
    if exchange_id is not None and client.has.get("fetchOrder"):
        with contextlib.suppress(ccxt.OrderNotFound):
            return dict(await client.fetch_order(exchange_id, order.symbol))
    for ability, fetch in (
        ("fetchOpenOrders", "fetch_open_orders"),
        ("fetchClosedOrders", "fetch_closed_orders"),
        ("fetchCanceledOrders", "fetch_canceled_orders"),
        ("fetchOrders", "fetch_orders"),
    ):
        if client.has.get(ability):
            for raw in await getattr(client, fetch)(order.symbol) or ():
                if raw.get("clientOrderId") == order.id:
                    return dict(raw)
    return None


async def settle(manager: Any, ledger: Ledger, order: Order) -> bool:
    """Enter what the exchange says of an order in doubt, in OctoBot too; tell if it knows it.

    Raises one of `UNANSWERED` when the exchange does not say.
    """
    raw = await find_order(manager, order, ledger.tracking_of(order.id).exchange_id)
    if raw is None:
        return False
    exchange_id = str(raw["id"])
    ledger.bind(order.id, exchange_id)
    await _hand_over(manager, order, exchange_id)
    found = _as_found(order, raw)
    instance = held_by(manager, exchange_id)
    if instance is not None:
        tracking = ledger.tracking_of(order.id)
        exits = resize_exits(ledger, tracking, found.quantity, instance)
        ledger.update(found, FOUND[found.status], exits)
    elif found.status not in OPEN_STATUSES:
        ledger.update(found, FOUND[found.status])
    # or else it was open a moment ago and has ended since: it is asked for again
    return True


async def _hand_over(manager: Any, order: Order, exchange_id: str) -> None:
    """Tell OctoBot how an order stands at the exchange: it may not know that it is there."""
    found = await manager.exchange.get_order(exchange_id, order.symbol)
    if found is not None:
        await manager.exchange_personal_data.handle_order_update_from_raw(
            exchange_id, found, is_new_order=held_by(manager, exchange_id) is None
        )


def held_by(manager: Any, exchange_id: str) -> Any:
    """Return the open order that OctoBot has under the exchange's id, or None."""
    orders = manager.exchange_personal_data.orders_manager
    if not orders.has_order(None, exchange_order_id=exchange_id):
        return None
    return orders.get_order(None, exchange_order_id=exchange_id)


def _as_found(order: Order, raw: dict[str, Any]) -> Order:
    filled = decimal_or_none(raw.get("filled")) or order.filled
    quantity = decimal_or_none(raw.get("amount")) or order.quantity
    status = _STATUSES.get(str(raw.get("status")), "open")
    if status == "open" and filled:
        status = "partially_filled"
    return order.model_copy(
        update={
            "status": status,
            "quantity": quantity,
            "filled": filled,
            "remaining": quantity - filled,
            "price": order.price and (decimal_or_none(raw.get("price")) or order.price),
            "stop_price": order.stop_price
            and (decimal_or_none(raw.get("triggerPrice")) or order.stop_price),
            "average_price": decimal_or_none(raw.get("average")) if filled else None,
            "cost": decimal_or_none(raw.get("cost")) or order.cost,
            "fee": (fee_from_dict(raw.get("fee")) or order.fee) if filled else None,
            "updated_at": utc_now(),
        }
    )
