"""Socket of a connection that was handed over; it reports when its new owner has closed it."""

from __future__ import annotations

import socket
from collections.abc import Callable


class CountedSocket(socket.socket):
    """Plain socket that calls `on_close` when it is closed or collected, from that thread.

    Who detaches it closes it all the same, once the descriptor is closed. Duplicates
    report nothing.
    """

    on_close: Callable[[], object] | None = None

    def close(self) -> None:
        """Close it, and report that."""
        super().close()
        self._report()

    def __del__(self) -> None:
        """Report a socket that was dropped without being closed."""
        self._report()

    def _report(self) -> None:
        on_close, self.on_close = self.on_close, None
        if on_close is not None:
            on_close()
