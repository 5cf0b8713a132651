"""Tickets: single-use credentials for clients that cannot set headers, valid for 30 seconds."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from backend.errors import InvalidToken, StreamsFull

T = TypeVar("T")

TICKET_LIFETIME_S = 30
MAX_TICKETS = 10_000


class TicketStore(Generic[T]):
    """Unspent tickets and their owners, in memory, by hash, so that none can be read back."""

    def __init__(
        self, max_unspent: int = MAX_TICKETS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_unspent = max_unspent
        self._clock = clock
        self._lock = threading.Lock()
        self._unspent: dict[bytes, tuple[float, T]] = {}  # in the order of their expiry

    def issue(self, owner: T) -> str:
        """Create a ticket; raises `StreamsFull` while too many are unspent."""
        ticket = secrets.token_urlsafe(32)
        with self._lock:
            self._delete_expired()
            if len(self._unspent) >= self._max_unspent:
                raise StreamsFull("too many tickets are unspent", retry_after_s=TICKET_LIFETIME_S)
            self._unspent[_hash(ticket)] = (self._clock() + TICKET_LIFETIME_S, owner)
        return ticket

    def redeem(self, ticket: str) -> T:
        """Spend a ticket and return its owner.

        Raises `InvalidToken` when it was spent, has expired or was never issued.
        """
        with self._lock:
            self._delete_expired()
            found = self._unspent.pop(_hash(ticket), None)
        if found is None:
            raise InvalidToken("the ticket was spent, has expired or was never issued")
        return found[1]

    def _delete_expired(self) -> None:
        now = self._clock()
        while self._unspent:
            key = next(iter(self._unspent))
            if self._unspent[key][0] > now:
                return
            del self._unspent[key]


def _hash(ticket: str) -> bytes:
    return hashlib.sha256(ticket.encode(errors="replace")).digest()
