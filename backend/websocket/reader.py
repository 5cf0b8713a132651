"""MessageReader: the receiving half of a WebSocket, with whole, rate-limited text messages."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator

import gevent
import gevent.socket
from wsproto.connection import SERVER, Connection
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage

from backend.streams.encodings import close_message

MAX_MESSAGE_BYTES = 64 * 1024
MESSAGES_PER_S = 50.0
BURST = 100.0
POLL_S = 2.0
SILENCE_TIMEOUT_S = 75.0
DRAIN_TIMEOUT_S = 5.0
NORMAL, PROTOCOL_ERROR, UNSUPPORTED, TOO_BIG = 1000, 1002, 1003, 1009


class ConnectionClosing(Exception):
    """The connection must end after the close frame `frame`, None if the client is gone."""

    def __init__(self, frame: bytes | None) -> None:
        super().__init__()
        self.frame = frame


class MessageReader:
    """Reads a handed-over socket on its own greenlet.

    A client that exceeds `MESSAGES_PER_S` is read at that rate, and its messages wait
    in its own buffers. A client that sends nothing, not even a pong, for longer than
    two ping intervals is gone.
    """

    def __init__(self, sock: socket.socket, send_pong: Callable[[bytes], object]) -> None:
        self._handed_over = sock
        self._socket = gevent.socket.socket(fileno=sock.detach())
        self._socket.settimeout(POLL_S)
        self._protocol = Connection(SERVER)
        self._send_pong = send_pong
        self._parts: list[str] = []
        self._size = 0
        self._allowance, self._refilled_at = BURST, time.monotonic()

    def send(self, frame: bytes) -> None:
        """Write a frame; allowed only until the hub writes to this connection."""
        self._socket.sendall(frame)

    def messages(self, check: Callable[[], object]) -> Iterator[str]:
        """Yield text messages as they arrive.

        `check` is called every few seconds and may raise to end the iteration. Raises
        `ConnectionClosing` when the client is gone, closes or violates the protocol.
        """
        received_at = time.monotonic()
        while True:
            check()
            data = self._receive()
            if data is None:
                if time.monotonic() - received_at > SILENCE_TIMEOUT_S:
                    raise ConnectionClosing(None)
                continue
            if not data:
                raise ConnectionClosing(None)
            received_at = time.monotonic()
            self._protocol.receive_data(data)
            yield from self._complete_messages()

    def drain(self) -> None:
        """Wait briefly for the client to read its last frame and close."""
        deadline = time.monotonic() + DRAIN_TIMEOUT_S
        while time.monotonic() < deadline and self._receive() != b"":
            pass

    def close(self) -> None:
        """Close the descriptor."""
        self._socket.close()
        self._handed_over.close()  # detached, but the server counts it until it is closed

    def _receive(self) -> bytes | None:
        """Return received bytes, b"" at the end, None after `POLL_S` without any."""
        try:
            return bytes(self._socket.recv(16384))
        except TimeoutError:
            return None
        except OSError:
            return b""

    def _complete_messages(self) -> Iterator[str]:
        for event in self._protocol.events():
            self._wait_for_allowance()
            text = self._handle(event)
            if text is not None:
                yield text

    def _handle(self, event: Event) -> str | None:
        if isinstance(event, TextMessage):
            return self._append(event)
        if isinstance(event, Ping):
            self._send_pong(bytes(event.payload))
        elif isinstance(event, BytesMessage):
            raise ConnectionClosing(close_message(UNSUPPORTED, "text messages only"))
        elif isinstance(event, CloseConnection):
            raise ConnectionClosing(_close_reply(event))
        elif not isinstance(event, Pong):
            raise ConnectionClosing(close_message(PROTOCOL_ERROR))
        return None

    def _append(self, event: TextMessage) -> str | None:
        self._parts.append(event.data)
        self._size += 1 + len(event.data.encode())  # an empty fragment takes memory too
        if self._size > MAX_MESSAGE_BYTES:
            reason = f"a message has at most {MAX_MESSAGE_BYTES} bytes"
            raise ConnectionClosing(close_message(TOO_BIG, reason))
        if not event.message_finished:
            return None
        text, self._parts, self._size = "".join(self._parts), [], 0
        return text

    def _wait_for_allowance(self) -> None:
        now = time.monotonic()
        self._allowance = min(BURST, self._allowance + (now - self._refilled_at) * MESSAGES_PER_S)
        self._refilled_at = now
        self._allowance -= 1
        if self._allowance < 0:
            gevent.sleep(-self._allowance / MESSAGES_PER_S)


def _close_reply(close: CloseConnection) -> bytes:
    """Build the close frame for a close of the client, or for a violation found by wsproto."""
    is_sendable = close.code not in (1005, 1006)  # these codes stand for the absence of a code
    return close_message(close.code if is_sendable else NORMAL)
