"""The dead-man switch: cancels all open orders when nobody renews it in time."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta

from backend.bridge.context import BotContext
from backend.bridge.orders.idempotency import IdempotentOrders
from backend.bridge.orders.service import Orders
from backend.errors import JournalDown, OrderStateUnknown
from backend.schemas.common import time_text, utc_now
from backend.schemas.order_commands import CancelQuery, DeadManSwitch

_AGAIN_AFTER_S = 2

log = logging.getLogger(__name__)


class DeadManSwitchTimer:
    """One switch for the whole bot; the newest call counts, whoever makes it.

    It outlives restarts, and kills of the process: an armed one goes on with the
    next run, and fires at once, before that run takes orders, if its time has passed.
    """

    def __init__(self, context: BotContext, orders: Orders, idempotency: IdempotentOrders) -> None:
        self._runner = context.runner
        self._saved_state = context.saved_state
        self._orders = orders
        self._idempotency = idempotency
        self._timer: asyncio.TimerHandle | None = None
        kept = self._saved_state.load("dead_man").get("cancels_at")
        self._cancels_at = None if kept is None else datetime.fromisoformat(kept)

    def set(self, timeout_s: int) -> DeadManSwitch:
        """Arm or renew the switch; 0 disarms it.

        Raises `JournalDown` when it is set, but a restart would forget it.
        """
        switch = self._runner.executor.run(self._set, timeout_s)
        try:
            self._idempotency.wait_until_durable()
        except OrderStateUnknown:
            raise JournalDown("the switch is set, but a restart would forget it") from None
        return switch

    # ---- on the bot's loop

    async def begin(self) -> None:
        """Go on with what was armed in an earlier run."""
        if self._cancels_at is None:
            return
        if self._cancels_at > utc_now():
            self._schedule()
        elif not await self._cancel_all(self._cancels_at, utc_now()):
            self._fire(self._cancels_at)

    async def _set(self, timeout_s: int) -> DeadManSwitch:
        self._note(utc_now() + timedelta(seconds=timeout_s) if timeout_s else None)
        self._schedule()
        return DeadManSwitch(
            armed=bool(timeout_s),
            timeout_s=timeout_s,
            cancels_at=time_text(self._cancels_at) if self._cancels_at else None,
        )

    def _note(self, cancels_at: datetime | None) -> None:
        self._cancels_at = cancels_at
        kept = None if cancels_at is None else cancels_at.isoformat()
        self._saved_state.save("dead_man", cancels_at=kept)

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._cancels_at is not None:
            delay_s = (self._cancels_at - utc_now()).total_seconds()
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(delay_s, self._fire, self._cancels_at)

    def _fire(self, moment: datetime) -> None:
        self._runner.create_task(self._cancel_until_done(moment))

    async def _cancel_until_done(self, moment: datetime) -> None:
        """Cancel what is open now, again and again until it is, or the switch is set anew."""
        began = utc_now()
        while self._cancels_at == moment and not await self._cancel_all(moment, began):
            await asyncio.sleep(_AGAIN_AFTER_S)

    async def _cancel_all(self, moment: datetime, until: datetime) -> bool:
        """Cancel what was open at a time; tell whether nothing of it is left."""
        log.warning("the dead-man switch was not renewed: canceling all open orders")
        try:
            results = await self._orders.cancel_many_on_loop(CancelQuery(), until)
        except Exception:  # it is tried again, whatever it was
            log.exception("the dead-man switch could not cancel all orders")
            return False
        if any(result.problem is not None for result in results):
            return False
        if self._cancels_at == moment:
            self._note(None)
        return True
