"""StreamBody: the response body of a stream, iterated by a WSGI server or written by the hub."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Protocol

from backend.concurrency.host import Signal
from backend.streams.subscriber import Subscriber, SubscriberFactory
from backend.streams.writers import PipeWriter, SocketWriter


class SubscriberControl(Protocol):
    """Operations of the hub that a response body needs."""

    def attach(self, subscriber: Subscriber) -> None:
        """Begin a subscriber's stream."""

    def catch_up(self, subscriber: Subscriber) -> None:
        """Continue a stream whose writer has room again."""

    def detach(self, subscriber: Subscriber) -> None:
        """End a stream without a last event."""

    def new_signal(self) -> Signal:
        """Create the signal on which an iterating request waits."""


class StreamBody:
    """Reserved stream that has not begun.

    A server that supports socket handoff calls `take_over` once the response head
    is sent. Any other server iterates and closes it, as WSGI requires.
    """

    def __init__(
        self, hub: SubscriberControl, new_subscriber: SubscriberFactory, stall_timeout_s: float
    ) -> None:
        self._hub = hub
        self._new_subscriber = new_subscriber
        self._stall_timeout_s = stall_timeout_s
        self._subscriber: Subscriber | None = None

    def take_over(self, sock: socket.socket) -> None:
        """Pass the connection to the hub, which writes and closes it from now on."""
        try:
            writer = SocketWriter(sock, self._stall_timeout_s)
        except OSError:  # gone already
            sock.close()
        else:
            self._hub.attach(self._new_subscriber(writer))

    def __iter__(self) -> Iterator[bytes]:
        """Begin the stream and yield its bytes; waits on the host in between."""
        pipe = PipeWriter(self._hub.new_signal(), lambda: self._hub.catch_up(subscriber))
        self._subscriber = subscriber = self._new_subscriber(pipe)
        self._hub.attach(subscriber)
        return iter(pipe)

    def close(self) -> None:
        """End the stream that an iteration began."""
        if self._subscriber is not None:
            self._hub.detach(self._subscriber)
