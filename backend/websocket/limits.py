"""Limits on concurrent WebSockets: in total, and of clients that have not authenticated yet."""

from __future__ import annotations

from backend.streams.connection_limits import StreamLimits, StreamSlot

_ANYONE = "anyone"


class ConnectionLimits:
    """Limits of one app's WebSockets, and whether it still accepts requests on them.

    Unauthenticated clients get a quarter of the connections at most, so that they
    cannot exclude authenticated ones.
    """

    def __init__(self, max_connections: int) -> None:
        unlimited = max_connections + 1  # per user: all are counted under one name
        self._all = StreamLimits(max_connections, unlimited)
        self._unauthenticated = StreamLimits(max(1, max_connections // 4), unlimited)
        self.closing = False

    def acquire(self) -> StreamSlot:
        """Acquire a slot for a connection; raises `StreamsFull`."""
        return self._all.acquire(_ANYONE)

    def acquire_unauthenticated(self) -> StreamSlot:
        """Acquire a slot for a client that has not authenticated yet; raises `StreamsFull`."""
        return self._unauthenticated.acquire(_ANYONE)

    def close(self) -> None:
        """Accept no more requests about orders: the bot is about to stop."""
        self.closing = True
