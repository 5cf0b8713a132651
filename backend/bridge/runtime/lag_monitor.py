"""How late the bot's loop is: what requests, or the bot itself, keep it from doing in time."""

from __future__ import annotations

import asyncio
import time
from collections import deque

BEAT_S = 0.02
IDLE_BEAT_S = 0.25
BEATS_KEPT = 1500
_WATCHED_S = 2.0
_REMEMBERED_S = 5.0


class LagMonitor:
    """A beat on the loop, measured against when it was due; may be read from any thread.

    Quick while somebody looks, and slow two seconds after the last look: an idle
    bot is not woken fifty times a second for nobody.
    """

    def __init__(self) -> None:
        self._due: float | None = None
        self._late_s = 0.0
        self._worst_s = (0.0, 0.0)
        self._worst_until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._looked_at = 0.0
        self.lags_s: deque[float] = deque(maxlen=BEATS_KEPT)
        """How late each of the newest beats was, oldest first: half a minute of quick ones."""

    @property
    def lag_s(self) -> float:
        """How late the loop is now: the last beat, or the next one if that is overdue."""
        self._looked_at = now = time.monotonic()
        due = self._due
        return 0.0 if due is None else max(self._late_s, now - due)

    @property
    def worst_lag_s(self) -> float:
        """The greatest lag of the last five to ten seconds."""
        return max(self.lag_s, *self._worst_s)

    def start(self) -> None:
        """Begin to beat. Loop only."""
        self.stop()
        self._wait(asyncio.get_running_loop())

    def stop(self) -> None:
        """End: a bot that does not run is not late. Loop only, or when it has ended."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._due = None
        self._late_s, self._worst_s = 0.0, (0.0, 0.0)

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        now = time.monotonic()
        pause_s = BEAT_S if now - self._looked_at < _WATCHED_S else IDLE_BEAT_S
        self._due = now + pause_s
        self._timer = loop.call_later(pause_s, self._beat, loop)

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        now = time.monotonic()
        self._late_s = max(0.0, now - (self._due or now))
        self.lags_s.append(self._late_s)
        before, present = self._worst_s
        if now >= self._worst_until:
            before, present = present, 0.0
            self._worst_until = now + _REMEMBERED_S
        self._worst_s = (before, max(present, self._late_s))
        self._wait(loop)
