"""Bounds on the number of open WebSockets, and on those not authenticated yet."""

from __future__ import annotations

from backend.streams.connection_limits import StreamLimits, StreamSlot

_STRANGER = "stranger"


class ConnectionLimits:
    """The bounds of one app, and whether it still takes requests.

    Who has not said yet who they are gets a quarter of the room at most, so that
    strangers keep nobody else out.
    """

    def __init__(self, most: int) -> None:
        self._all = StreamLimits(most, most + 1)
        self._strangers = StreamLimits(max(1, most // 4), most + 1)
        self.closing = False

    def admit(self) -> StreamSlot:
        """Count one socket; raises `StreamsFull`."""
        return self._all.acquire(_STRANGER)

    def admit_stranger(self) -> StreamSlot:
        """Count one socket whose client is not known yet; raises `StreamsFull`."""
        return self._strangers.acquire(_STRANGER)

    def close(self) -> None:
        """Take no more requests: the bot is about to stop."""
        self.closing = True
