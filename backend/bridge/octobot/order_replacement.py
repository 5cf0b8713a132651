"""Changes of orders at exchanges that cannot change one in place: cancel, then create.

ccxt's own way creates the whole amount, though a part of it may be executed, and without a client
order id.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from backend.bridge.octobot.conversion import decimal_or_none
from backend.bridge.octobot.order_abilities import EDITS_IN_PLACE

_ENDED_LISTS = (
    ("fetchCanceledOrders", "fetch_canceled_orders"),
    ("fetchClosedOrders", "fetch_closed_orders"),
    ("fetchOrders", "fetch_orders"),
)


class ExecutedMeanwhile(Exception):
    """The order was canceled, a part of it had been executed before, and nothing was created."""


def edits_in_place(client: Any) -> bool:
    """Return whether an edit keeps what was executed, so that its amount is the new total."""
    return client.id in EDITS_IN_PLACE and client.has.get("editOrder") is True


def replacement_id(order_id: str, exchange_id: str) -> str:
    """Return the id from which the client order id of an order's successor is made.

    It follows from what the journal has: after a crash the successor is found by it.
    """
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{order_id} {exchange_id}"))


def replacing_edit(client: Any) -> Callable[..., Awaitable[Any]]:
    """Return an `edit_order` that cancels, sees that nothing was executed, and creates.

    Raises `ExecutedMeanwhile` when something was, or when the exchange does not tell.
    """

    async def edit_order(
        id: str,
        symbol: str,
        type: str,
        side: str,
        amount: float | None = None,
        price: float | None = None,
        params: dict[str, Any] | None = None,
    ) -> Any:
        canceled = await client.cancel_order(id, symbol)
        filled = await _filled(client, id, symbol, canceled or {})
        if filled != 0:
            raise ExecutedMeanwhile(f"{client.id} executed {filled} of the order before its cancel")
        return await client.create_order(symbol, type, side, amount, price, params or {})

    return edit_order


async def _filled(client: Any, id: str, symbol: str, canceled: dict[str, Any]) -> Decimal | None:
    """Return how much of a canceled order was executed, None if the exchange does not tell."""
    if client.has.get("fetchOrder"):
        return decimal_or_none((await client.fetch_order(id, symbol)).get("filled"))
    for ability, fetch in _ENDED_LISTS:
        if client.has.get(ability):
            for row in await getattr(client, fetch)(symbol) or ():
                if str(row.get("id")) == id:
                    return decimal_or_none(row.get("filled"))
    return decimal_or_none(canceled.get("filled"))
