"""HTTP client of minimal cost: one keep-alive connection that waits for each response."""

from __future__ import annotations

import json
import re
import socket
import time
from contextlib import suppress

from benchmarks._http_load import RESTING
from benchmarks.live import LiveServer

LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n", re.IGNORECASE)


class Connection:
    """One connection that waits for each response before the next request.

    With `awake` it polls the system while it waits: waking up the core that it slept on
    would take as long as a read, and is not the server's work.
    """

    def __init__(self, server: LiveServer, *, awake: bool = False) -> None:
        self.token = server.login()
        self._socket = socket.create_connection(("127.0.0.1", server.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(not awake)

    def ask(
        self, method: str, path: str, body: object = None, key: str = ""
    ) -> tuple[bytes, float]:
        """Send a request; return the response and its time in milliseconds."""
        request = self._request(method, path, body, key)
        started = time.perf_counter()
        self._socket.sendall(request)
        answer = self._read()
        taken_ms = (time.perf_counter() - started) * 1000
        if not answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")):
            raise RuntimeError(answer.decode())
        return answer, taken_ms

    def place(self, key: str = "", **fields: object) -> tuple[str, float]:
        """Place an order; returns its id and the time it took."""
        answer, taken_ms = self.ask("POST", "/orders", {**RESTING, **fields}, key)
        return str(json.loads(answer.partition(b"\r\n\r\n")[2])["data"]["id"]), taken_ms

    def _request(self, method: str, path: str, body: object, key: str) -> bytes:
        content = b"" if body is None else json.dumps(body).encode()
        lines = [
            f"{method} /api/v1{path} HTTP/1.1",
            "Host: 127.0.0.1",
            f"Authorization: Bearer {self.token}",
        ]
        if body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
        if key:
            lines.append(f"Idempotency-Key: {key}")
        return "\r\n".join([*lines, "", ""]).encode() + content

    def _read(self) -> bytes:
        received = b""
        while True:
            head, end, body = received.partition(b"\r\n\r\n")
            found = LENGTH.search(head + b"\r\n")
            if end and found is not None and len(body) >= int(found[1]):
                return received
            with suppress(BlockingIOError):
                received += self._socket.recv(65_536)
