"""SSE client on a plain socket, and one that folds events into a state."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import time
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

WAIT_S = 60.0


class Sse(NamedTuple):
    """One event as it arrived."""

    id: str | None
    name: str
    data: Any

    @property
    def sequence(self) -> int:
        assert self.id is not None
        return int(self.id.rpartition("-")[2])


class SseParser:
    """Takes bytes as they come and gives the events that are complete."""

    def __init__(self) -> None:
        self.heartbeats = 0
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Sse]:
        """Take bytes in."""
        *blocks, self._rest = (self._rest + data).split(b"\n\n")
        for block in blocks:
            if block == b":":
                self.heartbeats += 1
                continue
            fields = dict(line.split(": ", 1) for line in block.decode().split("\n"))
            if fields.keys() != {"retry"}:
                yield Sse(fields.get("id"), fields["event"], json.loads(fields["data"]))


class SseClient:
    """Opens a stream at once; `next` waits for an event, None is the stream's end.

    HTTP/1.0, so that no server frames the answer in chunks.
    """

    def __init__(
        self,
        port: int,
        target: str = "/",
        *,
        last_event_id: str | None = None,
        receive_buffer: int | None = None,
        headers: str = "",
        method: str = "GET",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(WAIT_S)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", port))
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="127.0.0.1")
        if last_event_id is not None:
            headers += f"Last-Event-ID: {last_event_id}\r\n"
        self.socket.sendall(f"{method} {target} HTTP/1.0\r\nHost: test\r\n{headers}\r\n".encode())
        self.last_id: str | None = last_event_id
        self._parser = SseParser()
        self._events: deque[Sse] = deque()
        self._head: bytes | None = None
        self._rest = b""

    @property
    def head(self) -> str:
        """The head of the answer, read when it is first asked for."""
        while self._head is None:
            if b"\r\n\r\n" in self._rest:
                self._head, _, self._rest = self._rest.partition(b"\r\n\r\n")
            elif not self._receive():
                raise ConnectionError(f"no answer: {self._rest!r}")
        return self._head.decode()

    @property
    def status(self) -> int:
        return int(self.head.split()[1])

    @property
    def heartbeats(self) -> int:
        return self._parser.heartbeats

    def poll(self, most_bytes: int) -> list[Sse]:
        """Return the events that are complete after reading so much of what is there now."""
        self.socket.settimeout(0.01)
        with contextlib.suppress(TimeoutError):
            _ = self.head
            self._rest += self.socket.recv(most_bytes)
        complete = self._rest if self._head is not None else b""
        self._rest = self._rest[len(complete) :]
        return list(self._parser.feed(complete))

    def body(self) -> bytes:
        """Everything after the head, to the end of the connection, which must come."""
        _ = self.head
        deadline = time.monotonic() + WAIT_S
        while self._receive():
            assert time.monotonic() < deadline, self.head
        return self._rest

    def next(self, timeout_s: float = WAIT_S) -> Sse | None:
        """Return the next event; raises TimeoutError when none comes."""
        self.socket.settimeout(timeout_s)
        _ = self.head
        while not self._events:
            if not self._rest and not self._receive():
                return None
            self._events.extend(self._parser.feed(self._rest))
            self._rest = b""
        event = self._events.popleft()
        self.last_id = event.id or self.last_id
        return event

    def take(self, count: int) -> list[Sse]:
        """Return the next events."""
        found = [self.next() for _ in range(count)]
        return [event for event in found if event is not None]

    def until(self, name: str) -> list[Sse]:
        """Return events up to the first of this name, which is the last."""
        events = []
        while (event := self.next()) is not None:
            events.append(event)
            if event.name == name:
                return events
        raise AssertionError(f"the stream ended without {name}: {events}")

    def rest(self) -> list[Sse]:
        """Return every event until the stream ends."""
        events = []
        while (event := self.next()) is not None:
            events.append(event)
        return events

    def close(self) -> None:
        self.socket.close()

    def _receive(self) -> bool:
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            return False
        self._rest += data
        return bool(data)


def wait_until(condition: Any, timeout_s: float = WAIT_S) -> None:
    """Wait for something that another thread brings about."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
