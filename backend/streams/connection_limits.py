"""How many streams there may be, in all and of one user."""

from __future__ import annotations

import threading
from collections import Counter

from backend.errors import StreamsFull, TooManyStreams

RETRY_S = 5


class StreamSlot:
    """One stream's share of the bounds, held until it is given back."""

    def __init__(self, seats: StreamLimits, user_id: str) -> None:
        self._seats: StreamLimits | None = seats
        self._user_id = user_id

    def give_back(self) -> None:
        """Make room for another stream; the second call does nothing."""
        seats, self._seats = self._seats, None
        if seats is not None:
            seats.give_back(self._user_id)

    def __del__(self) -> None:
        # an answer that never reached the server (HEAD, an error in a later hook) is only dropped
        self.give_back()


class StreamLimits:
    """The bounds and what is taken of them; thread-safe."""

    def __init__(self, most: int, most_per_user: int) -> None:
        self._most = most
        self._most_per_user = most_per_user
        self._lock = threading.RLock()  # a Seat may be collected while its thread is in here
        self._taken: Counter[str] = Counter()
        self._total = 0

    @property
    def taken(self) -> int:
        """How many streams there are in all."""
        return self._total

    def take(self, user_id: str) -> StreamSlot:
        """Take one; raises `TooManyStreams` at the user's bound, `StreamsFull` at the server's."""
        with self._lock:
            if self._taken[user_id] >= self._most_per_user:
                raise TooManyStreams(
                    f"a user may have {self._most_per_user} streams open", retry_after_s=RETRY_S
                )
            if self._total >= self._most:
                raise StreamsFull("no more streams can be opened now", retry_after_s=RETRY_S)
            self._taken[user_id] += 1
            self._total += 1
        return StreamSlot(self, user_id)

    def give_back(self, user_id: str) -> None:
        """Count one stream of the user less."""
        with self._lock:
            self._total -= 1
            self._taken[user_id] -= 1
            if not self._taken[user_id]:
                del self._taken[user_id]
