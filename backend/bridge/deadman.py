"""The dead-man switch: cancels all open orders when nobody renews it in time."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta

from backend.bridge.engine import Engine
from backend.bridge.orders import Orders
from backend.schemas.common import time_text, utc_now
from backend.schemas.order_commands import CancelQuery, DeadManSwitch

log = logging.getLogger(__name__)


class DeadMan:
    """One switch for the whole bot; the newest call counts, whoever makes it."""

    def __init__(self, engine: Engine, orders: Orders) -> None:
        self._engine = engine
        self._orders = orders
        self._timer: asyncio.TimerHandle | None = None
        self._cancels_at: datetime | None = None
        self._timeout_s = 0

    def set(self, timeout_s: int) -> DeadManSwitch:
        """Arm or renew the switch; 0 disarms it. It lives as long as the bot's run."""
        return self._engine.run(self._set, timeout_s)

    async def _set(self, timeout_s: int) -> DeadManSwitch:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._cancels_at, self._timeout_s = None, None, timeout_s
        if timeout_s:
            loop = asyncio.get_running_loop()
            self._cancels_at = utc_now() + timedelta(seconds=timeout_s)
            self._timer = loop.call_later(timeout_s, self._fire)
        return DeadManSwitch(
            armed=bool(timeout_s),
            timeout_s=timeout_s,
            cancels_at=time_text(self._cancels_at) if self._cancels_at else None,
        )

    def _fire(self) -> None:
        self._timer, self._cancels_at = None, None
        log.warning("the dead-man switch was not renewed: canceling all open orders")
        self._task = asyncio.ensure_future(self._orders.cancel_many_on_loop(CancelQuery()))
