"""Looks for an order of ours at a real exchange."""

from __future__ import annotations

import contextlib
from typing import Any

import ccxt

from backend.schemas.orders import Order


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
