"""Limits on concurrent streams: per server and per user."""

from __future__ import annotations

import threading
from collections import Counter

from backend.errors import StreamsFull, TooManyStreams

RETRY_S = 5


class StreamSlot:
    """One stream's share of the limits, held until it is released."""

    def __init__(self, limits: StreamLimits, user_id: str) -> None:
        self._limits: StreamLimits | None = limits
        self._user_id = user_id

    def release(self) -> None:
        """Release the slot; further calls do nothing."""
        limits, self._limits = self._limits, None
        if limits is not None:
            limits.release(self._user_id)

    def __del__(self) -> None:
        # a response that never reached the server (HEAD, an error in a later hook) is only dropped
        self.release()


class StreamLimits:
    """Thread-safe counter of open streams, bounded per server and per user."""

    def __init__(self, max_streams: int, max_per_user: int) -> None:
        self._max_streams = max_streams
        self._max_per_user = max_per_user
        # reentrant: the collector may run StreamSlot.__del__ in the thread that holds the lock
        self._lock = threading.RLock()
        self._per_user: Counter[str] = Counter()
        self._total = 0

    @property
    def in_use(self) -> int:
        """Number of occupied slots."""
        return self._total

    def acquire(self, user_id: str) -> StreamSlot:
        """Acquire a slot; raises `TooManyStreams` (limit of the user) or `StreamsFull` (of all)."""
        with self._lock:
            if self._per_user[user_id] >= self._max_per_user:
                raise TooManyStreams(
                    f"a user may have {self._max_per_user} streams open", retry_after_s=RETRY_S
                )
            if self._total >= self._max_streams:
                raise StreamsFull("no more streams can be opened now", retry_after_s=RETRY_S)
            self._per_user[user_id] += 1
            self._total += 1
        return StreamSlot(self, user_id)

    def release(self, user_id: str) -> None:
        """Release one slot of a user."""
        with self._lock:
            self._total -= 1
            self._per_user[user_id] -= 1
            if not self._per_user[user_id]:
                del self._per_user[user_id]
