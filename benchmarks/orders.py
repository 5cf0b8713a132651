"""Benchmark of placing and canceling journalled orders over HTTP.

    python -m benchmarks.orders

Each order is on the disk before the response is sent. The baseline is the same call in the server's
process, without HTTP. On one connection all rows are measured in turns, a few orders at a time, and
of each row the half with the least steal time counts; the client polls while it waits.
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

from benchmarks._host_noise import in_turns, quietest_run
from benchmarks._http_connection import Connection
from benchmarks._http_load import MARKET, RESTING, Figures, Loader, post
from benchmarks._probes import quantiles
from benchmarks._shared_servers import shared_server
from benchmarks.harness import Table, main
from benchmarks.live import LiveServer

WARM_UP = 30
ROUNDS = 20
AT_ONCE = 10
FILLS = 100
TWINS = 50
CONNECTIONS = (1, 16, 64, 256)
SECONDS = 0.5
QUIET_S = 0.5
BASELINE = "place, without HTTP"
CHEAP_MARKET = {"type": "market", "price": None, "quantity": "0.0002"}


def measure() -> Iterator[Table]:
    """Yield the tables."""
    with shared_server() as server:
        connection = Connection(server, awake=True)
        for _ in range(WARM_UP):
            connection.ask("DELETE", f"/orders/{connection.place()[0]}")
        yield _one_by_one(server, connection)
        yield _twins(server)
        yield _to_a_socket(server, connection)
        yield _crowds(server)


def _one_by_one(server: LiveServer, connection: Connection) -> Table:
    table = Table("Orders on paper, 1 connection", baseline=BASELINE, ratio_of="p50_ms")
    exits = {"take_profit": {"price": "30000"}, "stop_loss": {"stop_price": "10000"}}
    connection.place("the-same")
    rows = {
        BASELINE: lambda: _placed_directly(server),
        "POST /orders, limit": lambda: _placed(connection, {}),
        "POST /orders, bracket": lambda: _placed(connection, exits),
        "POST /orders, market": lambda: _placed_at_market(connection),
        "DELETE /orders/{id}": lambda: _canceled(connection),
        "POST /orders, answered again": lambda: _answered_again(connection),
    }
    for name, figures in in_turns(rows, ROUNDS).items():
        table.add(name, **figures)
    return table


def _placed_directly(server: LiveServer) -> list[float]:
    answer = httpx.get(f"{server.url}/bench/place", timeout=60).raise_for_status()
    taken_ms: list[float] = answer.json()
    return taken_ms


def _placed(connection: Connection, fields: dict[str, object]) -> list[float]:
    """Place orders and cancel each, so that the number of open ones stays; only placing counts."""
    taken_ms = []
    for _ in range(AT_ONCE):
        order_id, one_ms = connection.place(**fields)
        taken_ms.append(one_ms)
        connection.ask("DELETE", f"/orders/{order_id}")
    return taken_ms


def _placed_at_market(connection: Connection) -> list[float]:
    sides = islice(cycle(("buy", "sell")), AT_ONCE)
    return [connection.place(**CHEAP_MARKET, side=side)[1] for side in sides]


def _canceled(connection: Connection) -> list[float]:
    open_ids = [connection.place()[0] for _ in range(AT_ONCE)]
    return [connection.ask("DELETE", f"/orders/{order_id}")[1] for order_id in open_ids]


def _answered_again(connection: Connection) -> list[float]:
    return [connection.place("the-same")[1] for _ in range(AT_ONCE)]


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
    table = Table("From OctoBot's channel to a client's socket, committed to the journal before")
    table.add("order_filled", **quietest_run(lambda: _fills_told(server, connection)))
    return table


def _fills_told(server: LiveServer, connection: Connection) -> Figures:
    told: dict[str, float] = {}
    httpx.get(f"{server.url}/bench/heard").raise_for_status()
    with socket.create_connection(("127.0.0.1", server.port)) as stream:
        head = f"Authorization: Bearer {connection.token}\r\n\r\n"
        stream.sendall(f"GET /api/v1/stream?topics=orders HTTP/1.0\r\n{head}".encode())
        listener = threading.Thread(target=_listen, args=(stream, told))
        listener.start()
        for _ in range(FILLS):
            connection.place(**CHEAP_MARKET)
        time.sleep(QUIET_S)
        heard = httpx.get(f"{server.url}/bench/heard").raise_for_status().json()
        stream.shutdown(socket.SHUT_RDWR)
        listener.join()
    taken = [(at - heard[order_id]) * 1000 for order_id, at in told.items()]
    return {"events": len(taken), **quantiles(taken)}


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
