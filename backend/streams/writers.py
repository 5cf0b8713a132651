"""Stream writers: sockets that the hub writes itself, and a pipe that a WSGI request iterates."""

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
    """Non-blocking output of one subscriber, called by the hub's thread.

    `descriptor` is that of the socket, to which whole batches may be sent without
    `write`; -1 where there is none.
    """

    descriptor: c_int

    def open(self, selector: selectors.BaseSelector, owner: object) -> None:
        """Begin; socket events are then reported by the selector with `owner` as their data."""

    def write(self, data: bytes) -> int:
        """Write and return the number of accepted bytes; raises OSError if the client is gone."""

    def notify_when_writable(self, enabled: bool) -> None:
        """Start or stop reporting that there is room."""

    def close(self) -> None:
        """Close; accepted bytes are still delivered."""


class SocketWriter:
    """Client's connection, handed over by the server.

    Its send buffer is small, so that a slow client gets new prices and not a megabyte
    of old ones. The kernel drops the connection of a client that has acknowledged
    nothing for `user_timeout_s` (TCP_USER_TIMEOUT).
    """

    def __init__(self, sock: socket.socket, user_timeout_s: float) -> None:
        self._socket = sock
        self._selector: selectors.BaseSelector | None = None
        self._owner: object = None
        self.descriptor = c_int(sock.fileno())
        sock.setblocking(False)
        if sock.family == socket.AF_UNIX:
            return  # one end of a pair: the TLS relay at the other end sets the options
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(user_timeout_s * 1000))

    def open(self, selector: selectors.BaseSelector, owner: object) -> None:
        """Watch for the client's disconnect."""
        selector.register(self._socket, _READ, owner)
        self._selector, self._owner = selector, owner

    def write(self, data: bytes) -> int:
        """Send and return the number of bytes that the kernel accepted."""
        return send(self._socket, data)

    def notify_when_writable(self, enabled: bool) -> None:
        """Start or stop watching for the socket to become writable."""
        if self._selector is not None:
            events = _READ | _WRITE if enabled else _READ
            self._selector.modify(self._socket, events, self._owner)

    def close(self) -> None:
        """Close the descriptor; the kernel still delivers the accepted bytes."""
        if self._selector is not None:
            self._selector.unregister(self._socket)
            self._selector = None
        self.descriptor.value = -1  # another connection may get the number next
        self._socket.close()


class SharedSocketWriter(SocketWriter):
    """Duplicated descriptor of a WebSocket that is read elsewhere; it only writes."""

    is_closed = False

    def open(self, selector: selectors.BaseSelector, owner: object) -> None:
        """Store the selector; the reader notices the client's disconnect."""
        self._available, self._owner = selector, owner

    def notify_when_writable(self, enabled: bool) -> None:
        """Start or stop watching for the socket to become writable."""
        if enabled and self._selector is None:
            self._selector = self._available
            self._selector.register(self._socket, _WRITE, self._owner)
        elif not enabled and self._selector is not None:
            self._selector.unregister(self._socket)
            self._selector = None

    def close(self) -> None:
        """Shut down writing; the reader drains and closes the connection."""
        self.is_closed = True
        with suppress(OSError):  # the client is gone
            self._socket.shutdown(socket.SHUT_WR)
        super().close()


class PipeWriter:
    """Bounded byte pipe from the hub's thread to the request that iterates it."""

    def __init__(self, signal: Signal, on_writable: Callable[[], None]) -> None:
        self.descriptor = c_int(-1)
        self._signal = signal
        self._on_writable = on_writable
        self._lock = threading.Lock()  # held for a few instructions, so the hub greenlet may wait
        self._chunks: list[bytes] = []
        self._size = 0
        self._refused = False
        self._closed = False

    def open(self, selector: selectors.BaseSelector, owner: object) -> None:
        """Do nothing: a pipe needs no selector."""

    def write(self, data: bytes) -> int:
        """Accept up to `PIPE_BYTES` minus the queued bytes."""
        with self._lock:
            taken = data[: PIPE_BYTES - self._size]
            self._chunks.append(taken)
            self._size += len(taken)
            self._refused = len(taken) < len(data)
        self._signal.set()
        return len(taken)

    def notify_when_writable(self, enabled: bool) -> None:
        """Do nothing: a pipe that refused data reports by itself once it is emptied."""

    def close(self) -> None:
        """End the iteration."""
        with self._lock:
            self._closed = True
        self._signal.set()

    def __iter__(self) -> Iterator[bytes]:
        """Yield the queued bytes, joined, until the pipe is closed; waits on the host."""
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
            self._on_writable()
        return data, closed
