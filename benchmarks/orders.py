"""What it takes to have an order placed or canceled and kept in the journal, over HTTP.

    python -m benchmarks.orders

One connection that stays open, and a client that costs next to nothing. Each
order is on the disk before the answer leaves.
"""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator

from benchmarks.harness import Table, main, percentile
from benchmarks.live import LiveServer, live_server

WARM_UP = 50
ORDERS = 500
SETTINGS = {"rate_limit_enabled": False, "paper_balance": "USDT=1000000,BTC=10"}
RESTING = {
    "symbol": "BTC/USDT",
    "side": "buy",
    "type": "limit",
    "quantity": "0.001",
    "price": "20000",
}
LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n", re.IGNORECASE)


class Connection:
    """One connection that waits for each answer before it asks again."""

    def __init__(self, server: LiveServer) -> None:
        self._token = server.login()
        self._socket = socket.create_connection(("127.0.0.1", server.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(
        self, method: str, path: str, body: object = None, key: str = ""
    ) -> tuple[bytes, float]:
        """Return the answer and how many milliseconds it took."""
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
            f"Authorization: Bearer {self._token}",
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
            received += self._socket.recv(65_536)


def measure() -> Iterator[Table]:
    """Yield the table."""
    with live_server(**SETTINGS) as server:
        connection = Connection(server)
        for _ in range(WARM_UP):
            connection.ask("DELETE", f"/orders/{connection.place()[0]}")
        table = Table("Orders on paper, journalled, 1 connection")
        _add(table, "POST /orders, limit", _cycle(connection, {}))
        _add(table, "POST /orders, limit, with a key", _cycle(connection, {"keyed": True}))
        exits = {"take_profit": {"price": "30000"}, "stop_loss": {"stop_price": "10000"}}
        _add(table, "POST /orders, bracket", _cycle(connection, exits))
        market = {"type": "market", "price": None, "quantity": "0.0002"}
        market_ms = [connection.place(**market, side=side)[1] for side in _sides()]
        _add(table, "POST /orders, market", market_ms)
        placed = [connection.place()[0] for _ in range(ORDERS)]
        cancels = [connection.ask("DELETE", f"/orders/{order_id}")[1] for order_id in placed]
        _add(table, "DELETE /orders/{id}", cancels)
        again = [connection.place("the-same")[1] for _ in range(ORDERS)]
        _add(table, "POST /orders, answered again", again[1:])
        yield table


def _cycle(connection: Connection, fields: dict[str, object]) -> list[float]:
    """Place orders and cancel each, so that not more and more are open; only the first counts."""
    taken = []
    keyed = fields.pop("keyed", False)
    for number in range(ORDERS):
        order_id, taken_ms = connection.place(f"key-{number}" if keyed else "", **fields)
        taken.append(taken_ms)
        connection.ask("DELETE", f"/orders/{order_id}")
    return taken


def _sides() -> Iterator[str]:
    for number in range(ORDERS):
        yield "sell" if number % 2 else "buy"


def _add(table: Table, name: str, taken_ms: list[float]) -> None:
    table.add(name, p50_ms=percentile(taken_ms, 50), p99_ms=percentile(taken_ms, 99))


if __name__ == "__main__":
    main("orders", measure)
