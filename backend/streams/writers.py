"""The two ways out: a socket that the hub writes itself, and a pipe that a request iterates."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from ctypes import c_int
from typing import Protocol

from backend.concurrency.host import Signal
from backend.streams.socket_send import send

PIPE_BYTES = 64 * 1024
_SEND_BUFFER_BYTES = 128 * 1024
_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class StreamWriter(Protocol):
    """Where a client's bytes go. The hub's thread calls it; nothing here waits.

    `descriptor` is that of the socket to which whole events may be sent past
    `write`, and -1 where there is none.
    """

    descriptor: c_int

    def open(self, selector: selectors.BaseSelector, owner: object) -> None:
        """Start; what happens to a socket is then reported by the selector with `owner`."""

    def write(self, data: bytes) -> int:
        """Take as much as there is room for; raises OSError when the client is gone."""

    def ask_for_room(self, wanted: bool) -> None:
        """Report, or report no longer, that there is room."""

    def close(self) -> None:
        """End after what was taken."""


class SocketWriter:
    """A client's own socket, taken over from the server.

    Its send buffer is small, so that a slow client gets new prices and not a
    megabyte of old ones. A client that vanished without a word is given up by
    the kernel when it has acknowledged nothing for `vanished_s`.
    """

    def __init__(self, sock: socket.socket, vanished_s: float) -> None:
        self._socket = sock
        self._selector: selectors.BaseSelector | None = None
        self._owner: object = None
        self.descriptor = c_int(sock.fileno())
        sock.setblocking(False)
        if sock.family == socket.AF_UNIX:
            return  # one end of a pair: whoever has the other one has the client
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(vanished_s * 1000))

    def open(self, selector: selectors.BaseSelector, owner: object) -> None:
        """Watch for the client's end."""
        selector.register(self._socket, _READ, owner)
        self._selector, self._owner = selector, owner

    def write(self, data: bytes) -> int:
        """Send what the kernel takes."""
        return send(self._socket, data)

    def ask_for_room(self, wanted: bool) -> None:
        """Watch, or no longer watch, for the socket to become writable."""
        if self._selector is not None:
            events = _READ | _WRITE if wanted else _READ
            self._selector.modify(self._socket, events, self._owner)

    def close(self) -> None:
        """Give the descriptor back; the kernel still delivers what it has taken."""
        if self._selector is not None:
            self._selector.unregister(self._socket)
            self._selector = None
        self.descriptor.value = -1  # another connection may have the number next
        self._socket.close()


class SharedSocketWriter(SocketWriter):
    """A descriptor of its own for a WebSocket that somebody else reads; it only writes."""

    is_closed = False

    def open(self, selector: selectors.BaseSelector, owner: object) -> None:
        """Watch for nothing: the reader notices the client's end."""
        self._watched, self._owner = selector, owner

    def ask_for_room(self, wanted: bool) -> None:
        """Watch, or no longer watch, for the socket to become writable."""
        if wanted and self._selector is None:
            self._selector = self._watched
            self._selector.register(self._socket, _WRITE, self._owner)
        elif not wanted and self._selector is not None:
            self._selector.unregister(self._socket)
            self._selector = None

    def close(self) -> None:
        """Send nothing more; the reader takes the client's last words and closes."""
        self.is_closed = True
        with suppress(OSError):  # the client is gone
            self._socket.shutdown(socket.SHUT_WR)
        super().close()


class PipeWriter:
    """A bounded pipe between the hub's thread and the request that iterates it."""

    def __init__(self, signal: Signal, report_room: Callable[[], None]) -> None:
        self.descriptor = c_int(-1)
        self._signal = signal
        self._report_room = report_room
        self._lock = threading.Lock()  # held for a few instructions, so the hub greenlet may wait
        self._chunks: list[bytes] = []
        self._size = 0
        self._refused = False
        self._closed = False

    def open(self, selector: selectors.BaseSelector, owner: object) -> None:
        """Need nothing from the selector."""

    def write(self, data: bytes) -> int:
        """Take what there is room for in `PIPE_BYTES`."""
        with self._lock:
            taken = data[: PIPE_BYTES - self._size]
            self._chunks.append(taken)
            self._size += len(taken)
            self._refused = len(taken) < len(data)
        self._signal.set()
        return len(taken)

    def ask_for_room(self, wanted: bool) -> None:
        """Do nothing: a pipe that refused something reports by itself when it was emptied."""

    def close(self) -> None:
        """Let the iteration end."""
        with self._lock:
            self._closed = True
        self._signal.set()

    def __iter__(self) -> Iterator[bytes]:
        """Yield all that waits in one piece, again and again; waits on the host in between."""
        while True:
            data, closed = self._take()
            if data:
                yield data
            if closed:
                return
            if not data:
                self._signal.wait()

    def _take(self) -> tuple[bytes, bool]:
        with self._lock:
            self._signal.clear()
            data, refused = b"".join(self._chunks), self._refused
            self._chunks.clear()
            self._size, self._refused = 0, False
            closed = self._closed
        if refused:
            self._report_room()
        return data, closed
