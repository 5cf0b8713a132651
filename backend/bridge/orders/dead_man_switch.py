"""Dead-man switch: cancels all open orders unless it is renewed in time."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import datetime, timedelta

from backend.bridge.context import BotContext
from backend.bridge.ledger.commit_wait import wait_until_durable
from backend.bridge.orders.service import Orders
from backend.errors import JournalDown, OrderStateUnknown
from backend.schemas.common import time_text, utc_now
from backend.schemas.order_commands import CancelQuery, DeadManSwitch

_RETRY_AFTER_S = 2

log = logging.getLogger(__name__)


class CancelAllTimer:
    """Countdown to the cancel of all open orders; one for the whole bot, the newest call counts.

    It survives restarts and kills of the process: an armed switch continues in the next
    run, and fires at once, before that run accepts orders, if its time has passed.

    This process counts by the monotonic clock. Across processes only the wall clock tells; if
    that was set back meanwhile, the switch waits for its whole timeout again and no longer.
    """

    def __init__(self, context: BotContext, orders: Orders) -> None:
        self._context = context
        self._orders = orders
        self._timer: asyncio.TimerHandle | None = None
        saved = context.saved_state.load("dead_man")
        at = saved.get("cancels_at")
        self._cancels_at = None if at is None else datetime.fromisoformat(at)
        self._deadline = time.monotonic() + self._seconds_left(saved.get("timeout_s"))

    def set(self, timeout_s: int) -> DeadManSwitch:
        """Arm or renew the switch; 0 disarms it.

        Raises `JournalDown` when it is set but not durable: a restart would forget it.
        """
        switch = self._context.runner.executor.run(self._set, timeout_s)
        try:
            wait_until_durable(self._context.outbox, self._context.host)
        except OrderStateUnknown:
            raise JournalDown("the switch is set, but a restart would forget it") from None
        return switch

    # ---- on the bot's loop

    async def begin(self) -> None:
        """Continue the countdown of an earlier run."""
        if self._cancels_at is None:
            return
        if self._deadline > time.monotonic():
            self._schedule()
        elif not await self._cancel_all(self._cancels_at, self._now()):
            self._fire(self._cancels_at)

    async def _set(self, timeout_s: int) -> DeadManSwitch:
        self._deadline = time.monotonic() + timeout_s
        self._save(utc_now() + timedelta(seconds=timeout_s) if timeout_s else None, timeout_s)
        self._schedule()
        return DeadManSwitch(
            armed=bool(timeout_s),
            timeout_s=timeout_s,
            cancels_at=time_text(self._cancels_at) if self._cancels_at else None,
        )

    def _save(self, cancels_at: datetime | None, timeout_s: int = 0) -> None:
        self._cancels_at = cancels_at
        text = None if cancels_at is None else cancels_at.isoformat()
        self._context.saved_state.save("dead_man", cancels_at=text, timeout_s=timeout_s)

    def _seconds_left(self, timeout_s: int | None) -> float:
        """Return the time left by the wall clock, at most the timeout where that is known."""
        if self._cancels_at is None:
            return 0
        left_s = (self._cancels_at - utc_now()).total_seconds()
        return left_s if timeout_s is None else min(left_s, timeout_s)

    def _now(self) -> datetime:
        """Return the present, or the newest open order's time where the clock was set back."""
        placed = (entry.item.created_at for entry in self._context.ledger.open_orders)
        return max([utc_now(), *placed])

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._cancels_at is not None:
            delay_s = self._deadline - time.monotonic()
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(delay_s, self._fire, self._cancels_at)

    def _fire(self, cancels_at: datetime) -> None:
        self._context.runner.create_task(self._cancel_until_done(cancels_at))

    async def _cancel_until_done(self, cancels_at: datetime) -> None:
        """Retry to cancel the orders open now, until all have ended or the switch is renewed."""
        began = self._now()
        while self._cancels_at == cancels_at and not await self._cancel_all(cancels_at, began):
            await asyncio.sleep(_RETRY_AFTER_S)

    async def _cancel_all(self, cancels_at: datetime, until: datetime) -> bool:
        """Cancel the orders open at a time; return whether all have ended."""
        log.warning("the dead-man switch was not renewed: canceling all open orders")
        try:
            results = await self._orders.cancel_many_on_loop(CancelQuery(), until)
        except Exception:  # retried after any error
            log.exception("the dead-man switch could not cancel all orders")
            return False
        if any(result.problem is not None for result in results):
            return False
        if self._cancels_at == cancels_at:
            self._save(None)
        return True
