"""Load process: connections that each wait for their response and send the next request.

    python -m benchmarks._load_process

Reads lines of JSON from standard input (`port`, `connections`, `seconds`, `request`) and prints
one for each. Connections stay open from one line to the next, and all responses have arrived
before a line is printed: a slice of load leaves nothing behind for the next one.
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
    """One connection with one request in flight."""

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
        """Read the received bytes; return whether the response is complete."""
        data = self.sock.recv(1 << 20)
        if not data:
            raise ConnectionResetError("the server has closed a connection")
        self.received += data
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found:
            return False
        length = LENGTH.search(head + b"\r\n")
        return length is not None and len(body) >= int(length[1])


_clients: dict[int, list[Client]] = {}


def load(port: int, connections: int, seconds: float, request: bytes) -> dict[str, float]:
    """Load for `seconds`, wait for the requests in flight, and return the figures."""
    clients = _connected(port, connections)
    poll = select.epoll()
    for fd in clients:
        poll.register(fd, select.EPOLLIN)
    latencies_ms: list[float] = []
    failed, asking = 0, set(clients)
    started = now = time.perf_counter()
    for client in clients.values():
        client.ask(request)
    while asking and (now := time.perf_counter()) < started + seconds + GIVE_UP_S:
        for fd, _ in poll.poll(0.1):
            client = clients[fd]
            try:
                answered = client.is_answered()
            except ConnectionError:  # the others continue
                failed += 1
                asking.discard(fd)
                poll.unregister(fd)
                _clients[port].remove(client)
                continue
            if answered:
                now = time.perf_counter()
                latencies_ms.append((now - client.sent_at) * 1000)
                failed += not client.received.startswith(b"HTTP/1.1 20")
                if now < started + seconds:
                    client.ask(request)
                else:
                    asking.discard(fd)
    if asking:
        del _clients[port]  # they would be polled again while they still wait
    count, latencies_ms = len(latencies_ms), latencies_ms or [float("nan")]
    return {
        "requests": count,
        "seconds": now - started,
        "requests_per_s": count / (now - started),
        "p50_ms": percentile(latencies_ms, 50),
        "p99_ms": percentile(latencies_ms, 99),
        "failed": failed + len(asking),
    }


def _connected(port: int, connections: int) -> dict[int, Client]:
    open_ones = _clients.setdefault(port, [])
    open_ones += [Client(port) for _ in range(connections - len(open_ones))]
    return {client.sock.fileno(): client for client in open_ones[:connections]}


if __name__ == "__main__":
    for line in sys.stdin:
        asked = json.loads(line)
        asked["request"] = asked["request"].encode()
        print(json.dumps(load(**asked)), flush=True)
