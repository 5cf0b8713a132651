"""The body of a stream's answer: iterated by any WSGI server, or written by the hub itself."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from backend.streams.subscriber import Subscriber
from backend.streams.writers import PipeWriter, SocketWriter, StreamWriter

if TYPE_CHECKING:
    from backend.streams.hub import Hub


class StreamBody:
    """A stream that was granted and has not begun.

    A server that can part with the connection calls `take_over` when the head
    of the answer is sent. Any other iterates, and closes, as WSGI asks.
    """

    def __init__(
        self, hub: Hub, new_client: Callable[[StreamWriter], Subscriber], stalled_s: float
    ) -> None:
        self._hub = hub
        self._new_client = new_client
        self._stalled_s = stalled_s
        self._client: Subscriber | None = None

    def take_over(self, sock: socket.socket) -> None:
        """Give the connection to the hub, which writes it from now on and closes it."""
        try:
            writer = SocketWriter(sock, self._stalled_s)
        except OSError:  # gone already
            sock.close()
        else:
            self._hub.attach(self._new_client(writer))

    def __iter__(self) -> Iterator[bytes]:
        """Yield the stream, all that waits in one piece; waits on the host in between."""
        pipe = PipeWriter(self._hub.new_signal(), lambda: self._hub.catch_up(client))
        self._client = client = self._new_client(pipe)
        self._hub.attach(client)
        return iter(pipe)

    def close(self) -> None:
        """End what an iteration began."""
        if self._client is not None:
            self._hub.detach(self._client)
