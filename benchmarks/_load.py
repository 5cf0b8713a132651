"""A load: connections that each wait for their answer and ask again.

    python -m benchmarks._load PORT CONNECTIONS SECONDS < requests

Standard input holds the request's bytes. Prints a line of JSON. It ends when all
that it asked is answered: whoever measures next does not wait behind this one's orders.
"""

from __future__ import annotations

import json
import re
import select
import socket
import sys
import time

from benchmarks.harness import percentile

GIVE_UP_S = 30.0
LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n", re.IGNORECASE)


class Client:
    """One connection, with one request under way."""

    __slots__ = ("received", "sent_at", "sock")

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.sent_at = 0.0

    def ask(self, request: bytes) -> None:
        """Send the request."""
        self.received = b""
        self.sent_at = time.perf_counter()
        self.sock.sendall(request)

    def is_answered(self) -> bool:
        """Read what has come; whether that is all of the answer."""
        self.received += self.sock.recv(1 << 20)
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found:
            return False
        length = LENGTH.search(head + b"\r\n")
        return length is not None and len(body) >= int(length[1])


def load(port: int, connections: int, seconds: float, request: bytes) -> dict[str, float]:
    """Ask for so long, wait for the answers and return the figures."""
    clients = {
        client.sock.fileno(): client for client in (Client(port) for _ in range(connections))
    }
    poll = select.epoll()
    for fd, client in clients.items():
        poll.register(fd, select.EPOLLIN)
        client.ask(request)
    latencies_ms: list[float] = []
    failed, waiting = 0, connections
    started = now = time.perf_counter()
    while waiting and now < started + seconds + GIVE_UP_S:
        for fd, _ in poll.poll(0.1):
            client = clients[fd]
            if not client.is_answered():
                continue
            latencies_ms.append((time.perf_counter() - client.sent_at) * 1000)
            failed += not client.received.startswith(b"HTTP/1.1 20")
            if now < started + seconds:
                client.ask(request)
            else:
                waiting -= 1
        now = time.perf_counter()
    answered, latencies_ms = len(latencies_ms), latencies_ms or [float("nan")]
    return {
        "requests_per_s": answered / (now - started),
        "p50_ms": percentile(latencies_ms, 50),
        "p99_ms": percentile(latencies_ms, 99),
        "failed": failed,
    }


if __name__ == "__main__":
    figures = load(*map(int, sys.argv[1:3]), float(sys.argv[3]), sys.stdin.buffer.read())
    print(json.dumps(figures))
