"""Limit of answers to requests that the server refuses itself, which no rate limit counts."""

from __future__ import annotations

from backend.client_networks import network_of
from backend.middleware.rate_limit_storage import MonotonicStorage

REFUSALS_PER_MINUTE = 300
_WINDOW_S = 60


class RefusalLimit:
    """Counts refused requests of each address (with IPv6 its /64 network).

    An answer, its line in the log and the wait for the client to read it cost more than a
    connection that is closed. The limit is well above what a proxy passes on from its clients,
    who all share its address here.
    """

    def __init__(self) -> None:
        self._storage = MonotonicStorage()

    def allows_answer(self, address: str) -> bool:
        """Count a refused request; return whether it is answered, and not only cut off."""
        count = self._storage.incr(network_of(address), _WINDOW_S)
        return count <= REFUSALS_PER_MINUTE
