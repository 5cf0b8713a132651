"""Named instants at which a server kills itself, most right after a commit of its journal."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

from backend.bridge.ledger import outbox
from backend.ports.journal import Batch
from backend.sandbox.matching.faults import Faults
from backend.schemas.orders import Order
from backend.store.journal import Journal


def _orders(batch: Batch, is_exit: bool) -> list[Order]:
    rows = [row.order for row in batch.orders]
    return [order for order in rows if (order.parent_order_id is not None) == is_exit]


def _has_event(batch: Batch, name: str) -> bool:
    return any(event.name == name for event in batch.events)


CRASH_POINTS: dict[str, Callable[[Batch], bool]] = {
    "an entry has filled": lambda batch: any(
        order.status == "filled" for order in _orders(batch, is_exit=False)
    ),
    "an exit was placed": lambda batch: bool(_orders(batch, is_exit=True)),
    "an exit has ended": lambda batch: any(
        order.status in ("filled", "canceled") for order in _orders(batch, is_exit=True)
    ),
    "an order was changed": lambda batch: _has_event(batch, "order_updated"),
    "an order was canceled": lambda batch: _has_event(batch, "order_canceled"),
    "a stop has triggered": lambda batch: any(
        row.tracking.sending == "due" for row in batch.orders
    ),
}
ORDER_SENT = "an order was sent"
"""The exchange has an order that closes one, and nobody has heard its answer."""


def crash_after(instant: str) -> None:
    """Make this process commit each change by itself and kill itself after the named one."""
    if instant == ORDER_SENT:
        Faults.raise_after = _crash_at_an_order  # type: ignore[method-assign]
        return
    record = Journal.record

    def record_and_crash(journal: Journal, batch: Batch) -> Any:
        outcome = record(journal, batch)
        if CRASH_POINTS[instant](batch):
            os.kill(os.getpid(), signal.SIGKILL)
        return outcome

    Journal.record = record_and_crash  # type: ignore[method-assign]
    outbox._MOST_AT_ONCE = 1


def _crash_at_an_order(_: Faults, endpoint: str) -> None:
    if endpoint == "create_order":
        os.kill(os.getpid(), signal.SIGKILL)
