"""Load shedding: refuses reads while the bot's loop lags, those of the heaviest callers first."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from backend.concurrency.host import Host
from backend.errors import BotStrained

REFUSAL_RESTS_S = 1.0
_WINDOW_S = 0.25
_LEAST_PER_WINDOW = 10
_LESS, _MORE = 0.7, 1.5


class LoadShedding:
    """Adaptive bound on the reads of each caller, lowered while the bot lags and raised after.

    The level is the rate at which each caller may read: it begins at the heaviest
    caller's rate, so that one is limited first. Forty reads a second are left to every
    caller: those do not cause the lag. `refused` counts.
    """

    def __init__(self, lag_s: Callable[[], float], most_s: float, host: Host) -> None:
        self._lag_s = lag_s
        self._most_s = most_s
        self._host = host
        self._level = math.inf
        self._window_ends = 0.0
        self._counts: dict[str, int] = {}
        self.refused = 0

    def admit(self, caller: str) -> None:
        """Count a read; raises `BotStrained`, after a pause, when the caller is above the level."""
        now = time.monotonic()
        if now >= self._window_ends:
            self._window_ends = now + _WINDOW_S
            self._adapt()
        count = self._counts[caller] = self._counts.get(caller, 0) + 1
        if count > self._level:
            self.refused += 1
            # an immediate refusal would only be retried: refusing costs as much as reading
            self._host.yield_for(REFUSAL_RESTS_S)
            raise BotStrained("the bot falls behind: ask less often")

    def _adapt(self) -> None:
        heaviest = max(self._counts.values(), default=0)
        self._counts = {}
        if 0 < self._most_s < self._lag_s():
            self._level = max(_LEAST_PER_WINDOW, min(self._level, heaviest) * _LESS)
        elif self._level * _MORE > heaviest:
            self._level = math.inf
        else:
            self._level *= _MORE
