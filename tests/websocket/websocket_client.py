"""WebSocketClient: a client on a plain socket that sends exact bytes and receives messages."""

from __future__ import annotations

import base64
import json
import os
import socket
import ssl
from collections import deque
from typing import Any

from wsproto.connection import CLIENT, Connection, ConnectionState
from wsproto.events import (
    CloseConnection,
    Event,
    Ping,
    Pong,
    TextMessage,
)

from tests.streams.stream_client import WAIT_S

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # the example of RFC 6455, 1.3
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


class WebSocketClient:
    """Opens a WebSocket at once; `head` is the response, `problem` the body of a refusal."""

    def __init__(
        self,
        port: int,
        target: str = "/ws",
        headers: dict[str, str] | None = None,
        *,
        receive_buffer: int | None = None,
        handshake: dict[str, str] | None = None,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(WAIT_S)
        self.socket.connect(("127.0.0.1", port))
        if trust is not None:
            self.socket = trust.wrap_socket(self.socket, server_hostname="127.0.0.1")
        asked = {
            "Host": f"127.0.0.1:{port}",
            "Upgrade": "websocket",
            "Connection": "keep-alive, Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": KEY,
            **(handshake or {}),
            **(headers or {}),
        }
        lines = [f"GET {target} HTTP/1.1", *(f"{k}: {v}" for k, v in asked.items() if v), "", ""]
        self.socket.sendall("\r\n".join(lines).encode())
        head, _, rest = self._read_head()
        self.head = head.decode()
        self.status = int(self.head.split()[1])
        self._protocol = Connection(CLIENT)
        self._events: deque[Event] = deque()
        self._text = ""
        self.pings = 0
        self.close_code: int | None = None
        self._rest = rest
        if self.status == 101:
            self._take(rest)

    @property
    def problem(self) -> dict[str, Any]:
        """Read the body of a refusal."""
        wanted = int(self.head.lower().partition("content-length: ")[2].split()[0])
        while len(self._rest) < wanted:
            self._rest += self.socket.recv(65536)
        found: dict[str, Any] = json.loads(self._rest)
        assert found["code"] == self.status
        return found

    def send_request(
        self, action: str, request_id: Any = None, /, key: str | None = None, **data: Any
    ) -> None:
        """Send a request."""
        message: dict[str, Any] = {"action": action, "id": request_id, "data": data}
        self.send(json.dumps(message if key is None else message | {"idempotency_key": key}))

    def send(self, text: str) -> None:
        """Send a text message."""
        self.send_bytes(self._protocol.send(TextMessage(data=text)))

    def send_event(self, event: Event) -> None:
        """Send anything of the protocol."""
        self.send_bytes(self._protocol.send(event))

    def send_bytes(self, data: bytes) -> None:
        """Send exactly these bytes."""
        self.socket.sendall(data)

    def receive(self) -> dict[str, Any] | None:
        """Return the next message; None at the end of the connection."""
        while (event := self._next()) is not None:
            if isinstance(event, TextMessage):
                self._text += event.data
                if event.message_finished:
                    found: dict[str, Any] = json.loads(self._text)
                    self._text = ""
                    return found
            elif isinstance(event, Ping):
                self.pings += 1
                self.send_event(event.response())
            elif isinstance(event, CloseConnection):
                self.close_code = event.code
                if self._protocol.state is ConnectionState.REMOTE_CLOSING:
                    self.send_event(event.response())
        return None

    def receive_pong(self) -> bytes:
        """Return the next pong's payload."""
        while not isinstance(event := self._next(), Pong):
            assert event is not None
        return bytes(event.payload)

    def receive_reply(self) -> dict[str, Any]:
        """Return the next message that is a reply."""
        while (message := self.receive()) is not None:
            if "action" in message:
                return message
        raise AssertionError("the socket ended without a reply")

    def request(self, action: str, /, key: str | None = None, **data: Any) -> dict[str, Any]:
        """Send a request and return its reply."""
        request_id = base64.b64encode(os.urandom(6)).decode()
        self.send_request(action, request_id, key=key, **data)
        while (answer := self.receive_reply())["id"] != request_id:
            pass
        return answer

    def receive_event(self, name: str | None = None) -> dict[str, Any]:
        """Return the next event, or the next one of a name."""
        while (message := self.receive()) is not None:
            if "event" in message and name in (None, message["event"]):
                return message
        raise AssertionError(f"the socket ended without {name}")

    def receive_events(self, count: int) -> list[dict[str, Any]]:
        """Return the next events."""
        return [self.receive_event() for _ in range(count)]

    def rest(self) -> list[dict[str, Any]]:
        """Return every message until the end."""
        messages = []
        while (message := self.receive()) is not None:
            messages.append(message)
        return messages

    def close(self) -> None:
        self.socket.close()

    def _next(self) -> Event | None:
        while not self._events:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self._take(data)
        return self._events.popleft()

    def _take(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        self._events.extend(self._protocol.events())

    def _read_head(self) -> tuple[bytes, bytes, bytes]:
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.socket.recv(65536)
            if not more:
                raise ConnectionError(f"no answer: {data!r}")
            data += more
        return data.partition(b"\r\n\r\n")
