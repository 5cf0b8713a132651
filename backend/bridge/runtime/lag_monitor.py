"""Monitor of event-loop lag: the delay with which the bot's loop runs due callbacks."""

from __future__ import annotations

import asyncio
import time
from collections import deque

INTERVAL_S = 0.02
IDLE_INTERVAL_S = 0.25
SAMPLES_KEPT = 1500
_FAST_FOR_S = 2.0
_WORST_WINDOW_S = 5.0


class LagMonitor:
    """Measures the delay of a repeated timer on the loop; may be read from any thread.

    The timer is fast while the lag is being read, and slow from two seconds after the
    last read: an idle bot is not woken fifty times a second for nothing.
    """

    def __init__(self) -> None:
        self._due: float | None = None
        self._late_s = 0.0
        self._worst_s = (0.0, 0.0)
        self._worst_until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._read_at = 0.0
        self.lags_s: deque[float] = deque(maxlen=SAMPLES_KEPT)
        """The newest samples, oldest first: half a minute of them at the fast interval."""

    @property
    def lag_s(self) -> float:
        """The present lag: that of the last call, or of the next one if that is overdue."""
        self._read_at = now = time.monotonic()
        due = self._due
        return 0.0 if due is None else max(self._late_s, now - due)

    @property
    def worst_lag_s(self) -> float:
        """The greatest lag of the last five to ten seconds."""
        return max(self.lag_s, *self._worst_s)

    def start(self) -> None:
        """Start measuring. Loop only."""
        self.stop()
        self._schedule(asyncio.get_running_loop())

    def stop(self) -> None:
        """Stop, and reset the lag to zero. Loop only, or when the loop has ended."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._due = None
        self._late_s, self._worst_s = 0.0, (0.0, 0.0)

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        now = time.monotonic()
        interval_s = INTERVAL_S if now - self._read_at < _FAST_FOR_S else IDLE_INTERVAL_S
        self._due = now + interval_s
        self._timer = loop.call_later(interval_s, self._sample, loop)

    def _sample(self, loop: asyncio.AbstractEventLoop) -> None:
        now = time.monotonic()
        self._late_s = max(0.0, now - (self._due or now))
        self.lags_s.append(self._late_s)
        previous, current = self._worst_s
        if now >= self._worst_until:
            previous, current = current, 0.0
            self._worst_until = now + _WORST_WINDOW_S
        self._worst_s = (previous, max(current, self._late_s))
        self._schedule(loop)
