"""Dead-man switch: cancels all open orders unless it is renewed in time."""

from __future__ import annotations

import asyncio
import logging
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
    """

    def __init__(self, context: BotContext, orders: Orders) -> None:
        self._context = context
        self._orders = orders
        self._timer: asyncio.TimerHandle | None = None
        saved = context.saved_state.load("dead_man").get("cancels_at")
        self._cancels_at = None if saved is None else datetime.fromisoformat(saved)

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
        if self._cancels_at > utc_now():
            self._schedule()
        elif not await self._cancel_all(self._cancels_at, utc_now()):
            self._fire(self._cancels_at)

    async def _set(self, timeout_s: int) -> DeadManSwitch:
        self._save(utc_now() + timedelta(seconds=timeout_s) if timeout_s else None)
        self._schedule()
        return DeadManSwitch(
            armed=bool(timeout_s),
            timeout_s=timeout_s,
            cancels_at=time_text(self._cancels_at) if self._cancels_at else None,
        )

    def _save(self, cancels_at: datetime | None) -> None:
        self._cancels_at = cancels_at
        text = None if cancels_at is None else cancels_at.isoformat()
        self._context.saved_state.save("dead_man", cancels_at=text)

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._cancels_at is not None:
            delay_s = (self._cancels_at - utc_now()).total_seconds()
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(delay_s, self._fire, self._cancels_at)

    def _fire(self, cancels_at: datetime) -> None:
        self._context.runner.create_task(self._cancel_until_done(cancels_at))

    async def _cancel_until_done(self, cancels_at: datetime) -> None:
        """Retry to cancel the orders open now, until all have ended or the switch is renewed."""
        began = utc_now()
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
