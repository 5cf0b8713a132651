"""The reading half of a WebSocket: whole messages, at a bounded pace, from whoever is there."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator

import gevent
import gevent.socket
from wsproto.connection import SERVER, Connection
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage

from backend.streams.encodings import close_message

MOST_MESSAGE_BYTES = 64 * 1024
MESSAGES_PER_S = 50.0
BURST = 100.0
POLL_S = 2.0
SILENT_S = 75.0
LINGER_S = 5.0
NORMAL, PROTOCOL_ERROR, UNSUPPORTED, TOO_BIG = 1000, 1002, 1003, 1009


class Closing(Exception):
    """The connection must end; `frame` is its last one, None when nobody is there to read it."""

    def __init__(self, frame: bytes | None) -> None:
        super().__init__()
        self.frame = frame


class MessageReader:
    """Reads a socket that was handed over. Its greenlet waits; nothing here writes.

    A client that sends more than its pace allows is read at that pace: what it
    sends then waits in its own buffers. One that is not heard for longer than two
    pings take, pongs included, is gone.
    """

    def __init__(self, sock: socket.socket, answer_ping: Callable[[bytes], object]) -> None:
        self._socket = gevent.socket.socket(fileno=sock.detach())
        self._socket.settimeout(POLL_S)
        self._protocol = Connection(SERVER)
        self._answer_ping = answer_ping
        self._parts: list[str] = []
        self._size = 0
        self._credit, self._credited_at = BURST, time.monotonic()

    def send(self, frame: bytes) -> None:
        """Write while nobody else does: before the hub has this connection."""
        self._socket.sendall(frame)

    def messages(self, check: Callable[[], object]) -> Iterator[str]:
        """Yield text messages as they come.

        `check` is called every few seconds and may raise what is to end this. Raises
        `Closing` when the client is gone, says good-bye or breaks the protocol.
        """
        heard_at = time.monotonic()
        while True:
            check()
            data = self._receive()
            if data is None:
                if time.monotonic() - heard_at > SILENT_S:
                    raise Closing(None)
                continue
            if not data:
                raise Closing(None)
            heard_at = time.monotonic()
            self._protocol.receive_data(data)
            yield from self._complete()

    def drain(self) -> None:
        """Let the client read its last frame, and then close."""
        deadline = time.monotonic() + LINGER_S
        while time.monotonic() < deadline and self._receive() != b"":
            pass

    def close(self) -> None:
        """Give the descriptor back."""
        self._socket.close()

    def _receive(self) -> bytes | None:
        """Return what came, b"" at the end, None when nothing came for a while."""
        try:
            return bytes(self._socket.recv(16384))
        except TimeoutError:
            return None
        except OSError:
            return b""

    def _complete(self) -> Iterator[str]:
        for event in self._protocol.events():
            self._keep_pace()
            text = self._take(event)
            if text is not None:
                yield text

    def _take(self, event: Event) -> str | None:
        if isinstance(event, TextMessage):
            return self._add(event)
        if isinstance(event, Ping):
            self._answer_ping(bytes(event.payload))
        elif isinstance(event, BytesMessage):
            raise Closing(close_message(UNSUPPORTED, "text messages only"))
        elif isinstance(event, CloseConnection):
            raise Closing(_answer_to(event))
        elif not isinstance(event, Pong):
            raise Closing(close_message(PROTOCOL_ERROR))
        return None

    def _add(self, event: TextMessage) -> str | None:
        self._parts.append(event.data)
        self._size += 1 + len(event.data.encode())  # an empty part takes room too
        if self._size > MOST_MESSAGE_BYTES:
            reason = f"a message has at most {MOST_MESSAGE_BYTES} bytes"
            raise Closing(close_message(TOO_BIG, reason))
        if not event.message_finished:
            return None
        text, self._parts, self._size = "".join(self._parts), [], 0
        return text

    def _keep_pace(self) -> None:
        now = time.monotonic()
        self._credit = min(BURST, self._credit + (now - self._credited_at) * MESSAGES_PER_S)
        self._credited_at = now
        self._credit -= 1
        if self._credit < 0:
            gevent.sleep(-self._credit / MESSAGES_PER_S)


def _answer_to(end: CloseConnection) -> bytes:
    """Answer a good-bye or a breach of the protocol, for which wsproto names the code."""
    is_sendable = end.code not in (1005, 1006)  # stand for none at all
    return close_message(end.code if is_sendable else NORMAL)
