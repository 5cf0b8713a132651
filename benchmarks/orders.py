"""What it takes to have an order placed or canceled and kept in the journal, over HTTP.

    python -m benchmarks.orders

Each order is on the disk before the answer leaves. The baseline is the same call in the server's
process, without HTTP.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice

import httpx

from benchmarks._asking import MARKET, RESTING, Figures, Loader, post
from benchmarks._asking_one import Connection
from benchmarks._calm import calmest
from benchmarks._sharing import shared_server
from benchmarks._watching import quantiles
from benchmarks.harness import Table, main
from benchmarks.live import LiveServer

WARM_UP = 30
ORDERS = 100
TWINS = 50
CONNECTIONS = (1, 16, 64, 256)
SECONDS = 0.5
QUIET_S = 0.5
BASELINE = "place, without HTTP"
CHEAP_MARKET = {"type": "market", "price": None, "quantity": "0.0002"}


def measure() -> Iterator[Table]:
    """Yield the tables."""
    with shared_server() as server:
        connection = Connection(server)
        for _ in range(WARM_UP):
            connection.ask("DELETE", f"/orders/{connection.place()[0]}")
        yield _one_by_one(server, connection)
        yield _twins(server)
        yield _to_a_socket(server, connection)
        yield _crowds(server)


def _one_by_one(server: LiveServer, connection: Connection) -> Table:
    table = Table("Orders on paper, 1 connection", baseline=BASELINE, ratio_of="p50_ms")
    table.add(BASELINE, **calmest(lambda: _placed_directly(server)))
    table.add("POST /orders, limit", **calmest(lambda: _placed(connection, {})))
    exits = {"take_profit": {"price": "30000"}, "stop_loss": {"stop_price": "10000"}}
    table.add("POST /orders, bracket", **calmest(lambda: _placed(connection, exits)))
    table.add("POST /orders, market", **calmest(lambda: _placed_at_market(connection)))
    table.add("DELETE /orders/{id}", **calmest(lambda: _canceled(connection)))
    table.add("POST /orders, answered again", **calmest(lambda: _answered_again(connection)))
    return table


def _placed_directly(server: LiveServer) -> Figures:
    answer = httpx.get(f"{server.url}/bench/place", timeout=60).raise_for_status()
    figures: Figures = answer.json()
    return figures


def _placed(connection: Connection, fields: dict[str, object]) -> Figures:
    """Place orders and cancel each, so that not more and more are open; only the first counts."""
    taken = []
    for _ in range(ORDERS):
        order_id, taken_ms = connection.place(**fields)
        taken.append(taken_ms)
        connection.ask("DELETE", f"/orders/{order_id}")
    return quantiles(taken)


def _placed_at_market(connection: Connection) -> Figures:
    sides = islice(cycle(("buy", "sell")), ORDERS)
    return quantiles([connection.place(**CHEAP_MARKET, side=side)[1] for side in sides])


def _canceled(connection: Connection) -> Figures:
    open_ids = [connection.place()[0] for _ in range(ORDERS)]
    return quantiles([connection.ask("DELETE", f"/orders/{order_id}")[1] for order_id in open_ids])


def _answered_again(connection: Connection) -> Figures:
    first_and_again = [connection.place("the-same")[1] for _ in range(ORDERS)]
    return quantiles(first_and_again[1:])


def _twins(server: LiveServer) -> Table:
    """Send one order many times at once, under one key."""
    connections = [Connection(server) for _ in range(TWINS)]
    ready = threading.Barrier(TWINS)

    def place(connection: Connection) -> tuple[str, float]:
        ready.wait()
        return connection.place("the-twins")

    with ThreadPoolExecutor(TWINS) as threads:
        answers = list(threads.map(place, connections))
    table = Table("The same order many times at once, under one key")
    placed = len({order_id for order_id, _ in answers})
    taken = quantiles([taken_ms for _, taken_ms in answers])
    table.add(f"{TWINS} x POST /orders, limit", answers=len(answers), placed=placed, **taken)
    return table


def _to_a_socket(server: LiveServer, connection: Connection) -> Table:
    """Time filled orders from OctoBot's channel, over journal and hub, to a client's socket."""
    told: dict[str, float] = {}
    httpx.get(f"{server.url}/bench/heard").raise_for_status()
    with socket.create_connection(("127.0.0.1", server.port)) as stream:
        head = f"Authorization: Bearer {connection.token}\r\n\r\n"
        stream.sendall(f"GET /api/v1/stream?topics=orders HTTP/1.0\r\n{head}".encode())
        listener = threading.Thread(target=_listen, args=(stream, told))
        listener.start()
        for _ in range(ORDERS):
            connection.place(**CHEAP_MARKET)
        time.sleep(QUIET_S)
        heard = httpx.get(f"{server.url}/bench/heard").raise_for_status().json()
        stream.shutdown(socket.SHUT_RDWR)
        listener.join()
    taken = [(at - heard[order_id]) * 1000 for order_id, at in told.items()]
    table = Table("From OctoBot's channel to a client's socket, committed to the journal before")
    table.add("order_filled", events=len(taken), **quantiles(taken))
    return table


def _listen(stream: socket.socket, told: dict[str, float]) -> None:
    rest = b""
    while data := stream.recv(65536):
        at = time.monotonic()
        *blocks, rest = (rest + data).split(b"\n\n")
        for block in blocks:
            if b"event: order_filled" in block:
                told[json.loads(block.partition(b"data: ")[2])["order"]["id"]] = at


def _crowds(server: LiveServer) -> Table:
    """Place orders on many connections."""
    table = Table("Orders on paper, many connections")
    with Loader() as loader:
        for name, order in (("market", MARKET), ("limit", RESTING)):
            request = post("/api/v1/orders", server.login(), order)
            figures: Figures = {"failed": 0}
            for connections in CONNECTIONS:
                found = loader.load(server.port, connections, request, SECONDS)
                figures[f"per_s_at_{connections}"] = found["requests_per_s"]
                figures[f"p99_ms_at_{connections}"] = found["p99_ms"]
                figures["failed"] += found["failed"]
            table.add(f"crowds x POST /orders, {name}", **figures)
    return table


if __name__ == "__main__":
    main("orders", measure)
