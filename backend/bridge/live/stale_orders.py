"""Finds orders that count as open here, though their exchange or OctoBot has ended them."""

from __future__ import annotations

import time

from backend.bridge.ledger.ledger import Ledger
from backend.bridge.octobot.exchange import Exchange
from backend.schemas.orders import Order

_REPORTED_WITHIN_S = 5.0
_EDITED_WITHIN_S = 30.0


class StaleOrders:
    """Marks the stale orders of one real exchange as unknown, so that they are looked up.

    OctoBot usually reports an end within a moment. It does not when it has lost the order, for
    example by a change that the exchange refused because the order had filled.
    """

    def __init__(self, exchange: Exchange, ledger: Ledger) -> None:
        self._exchange = exchange
        self._ledger = ledger
        self._since: dict[str, float] = {}

    def mark(self) -> None:
        """Mark the orders that have been stale for longer than a report takes."""
        now = time.monotonic()
        waits = {
            entry.item.id: wait
            for entry in self._ledger.open_orders
            if (wait := self._wait(entry.item)) is not None
        }
        self._since = {order_id: self._since.get(order_id, now) for order_id in waits}
        for order_id, wait in waits.items():
            if now - self._since[order_id] > wait:
                self._ledger.apply_event(order_id, "outcome_unknown")

    def _wait(self, order: Order) -> float | None:
        """Return for how long a stale order waits for its report; None if it is not stale."""
        tracking, fills = self._ledger.tracking_of(order.id), self._ledger.real_fills
        if order.exchange != self._exchange.name or order.status == "unknown" or fills is None:
            return None
        if tracking.sending is not None or tracking.exchange_id is None:
            return None
        if self._exchange.orders.find(order.id, tracking.exchange_id) is None:
            return _REPORTED_WITHIN_S
        told = fills.told(order)
        if told is None or not told.is_final:
            return None
        # a change may be cancelling the order right now, to place it again
        return _EDITED_WITHIN_S if tracking.is_edited else _REPORTED_WITHIN_S
