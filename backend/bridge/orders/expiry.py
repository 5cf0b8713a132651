"""Ends of orders at their `valid_until`: one timer each, on the bot's loop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import datetime

from backend.bridge.ledger.ledger import Ledger
from backend.bridge.ledger.order_state import OPEN_STATUSES
from backend.bridge.runtime.runner import BotRunner
from backend.errors import ApiError
from backend.schemas.common import utc_now
from backend.schemas.orders import Order

_RETRY_AFTER_S = 2.0
_LONGEST_WAIT_S = 86_400.0
_LATER_S = 0.001

log = logging.getLogger(__name__)


class OrderExpiry:
    """Cancels open orders as expired when their time has come.

    A wait is monotonic: a step of the clock moves no end that is waited for. A new run
    of the bot waits for what is left by then.
    """

    def __init__(
        self, runner: BotRunner, ledger: Ledger, cancel: Callable[[str], Awaitable[Order]]
    ) -> None:
        self._runner = runner
        self._ledger = ledger
        self._cancel = cancel
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def begin(self) -> None:
        """Watch the open orders of earlier runs."""
        self._timers.clear()
        for entry in self._ledger.open_orders:
            self.watch(entry.item)

    def watch(self, order: Order) -> None:
        """Wait for an order's end, or for its new one."""
        timer = self._timers.pop(order.id, None)
        if timer is not None:
            timer.cancel()
        if order.valid_until is not None and order.status in OPEN_STATUSES:
            left_s = (order.valid_until - utc_now()).total_seconds()
            self._wait(order.id, order.valid_until, time.monotonic() + left_s)

    def _wait(self, order_id: str, valid_until: datetime, due: float) -> None:
        """Wait until `due`, in parts that every loop takes: its timers may also be early."""
        left_s = due - time.monotonic()
        if left_s > 0:
            part_s = min(left_s, _LONGEST_WAIT_S) + _LATER_S
            loop = asyncio.get_running_loop()
            timer = loop.call_later(part_s, self._wait, order_id, valid_until, due)
            self._timers[order_id] = timer
        else:
            self._timers.pop(order_id, None)
            self._runner.create_task(self._expire(order_id, valid_until))

    async def _expire(self, order_id: str, valid_until: datetime) -> None:
        """Cancel an order until it has ended, unless its end was moved meanwhile."""
        while self._is_due(order_id, valid_until):
            self._ledger.expected_ends[order_id] = "expired"
            try:
                await self._cancel(order_id)
            except ApiError as error:  # it has ended, or the cancel is tried again
                log.info("order %s could not be canceled at its end: %s", order_id, error.type)
            if self._is_due(order_id, valid_until):
                await asyncio.sleep(_RETRY_AFTER_S)
        self._ledger.expected_ends.pop(order_id, None)

    def _is_due(self, order_id: str, valid_until: datetime) -> bool:
        entry = self._ledger.orders.get(order_id)
        return (
            entry is not None
            and entry.item.status in OPEN_STATUSES
            and entry.item.valid_until == valid_until
        )
