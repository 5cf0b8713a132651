"""Growing delays between tries at a password: each wrong one doubles the wait for the next."""

from __future__ import annotations

import contextlib
import math
import time

from limits.errors import StorageError
from limits.storage import Storage

FREE_TRIES = 3
LONGEST_DELAY_S = 900
REMEMBERED_S = 3600


class LoginDelays:
    """Tries of a caller, kept in a rate limit storage, so that its clock and processes count.

    A caller's first tries are free; each further one opens a window in which the next is
    refused. Tries are forgotten an hour after the first of them, or when one was right.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def count_try(self, caller: str) -> int:
        """Count a try; return 0, or the seconds by which it comes too early and counts not."""
        tries = self._storage.incr(_tries(caller), REMEMBERED_S)
        delay_s = delay_after(tries - 1)
        if delay_s == 0 or self._storage.incr(_gate(caller), delay_s) == 1:
            return 0
        self._storage.incr(_tries(caller), REMEMBERED_S, -1)
        return max(1, math.ceil(self._storage.get_expiry(_gate(caller)) - time.time()))

    def forget(self, caller: str) -> None:
        """Forget a caller's tries; those that cannot be forgotten now end by themselves."""
        with contextlib.suppress(StorageError):
            self._storage.clear(_tries(caller))
            self._storage.clear(_gate(caller))


def delay_after(tries: int) -> int:
    """Return the seconds between a try and the next, after so many: 0, 0, 0, 2, 4, 8, … 900."""
    doublings = tries - FREE_TRIES + 1
    return 0 if doublings < 1 else min(2 ** min(doublings, 10), LONGEST_DELAY_S)


def _tries(caller: str) -> str:
    return f"LOGIN_TRIES/{caller}"


def _gate(caller: str) -> str:
    return f"LOGIN_DELAY/{caller}"
