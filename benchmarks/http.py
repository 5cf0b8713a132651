"""Reads and commands over HTTP through all middleware, beside a bare Flask view on the same server.

    python -m benchmarks.http

The bot runs on the sandbox exchange with 50 open orders. The load comes from
another process; rounds of all rows are interleaved, and each figure is the
median of its rounds.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import httpx

from benchmarks._asking import (
    MARKET,
    RESTING,
    UNLIMITED,
    Figures,
    bare_flask,
    get,
    load,
    post,
    quantiles,
)
from benchmarks._history import PAPER_BALANCE
from benchmarks.harness import Table, main
from benchmarks.live import OPEN_TO_QUESTIONS, LiveServer, live_server

ROUNDS = 2
SECONDS = 0.7
CONNECTIONS = (1, 16, 64, 256)
OPEN_ORDERS = 50
CANCELED = 200
BARE = "bare Flask view"
READS = ("/healthz", *(f"/api/v1/{name}" for name in ("portfolio", "orders", "trades/history")))
READS += tuple(f"/api/v1/{name}" for name in ("orders?symbol=BTC-USDT&limit=20", "tickers", "bot"))


def measure() -> Iterator[Table]:
    """Yield the tables."""
    settings = {"paper_balance": PAPER_BALANCE, **UNLIMITED}
    with (
        live_server(command=OPEN_TO_QUESTIONS, **settings) as server,
        server.client() as client,
        bare_flask() as bare_port,
    ):
        for _ in range(OPEN_ORDERS):
            client.post("/orders", json=RESTING).raise_for_status()
        token = server.login()
        targets = {BARE: (bare_port, get("/"))}
        targets |= {f"GET {path}": (server.port, get(path, token)) for path in READS}
        yield _table("Reads", targets, ROUNDS)
        client.delete("/orders").raise_for_status()
        yield _commands(server, client, token)


def _table(title: str, targets: dict[str, tuple[int, bytes]], rounds: int) -> Table:
    table = Table(title, baseline=BARE, ratio_of="per_s_at_64")
    measured: dict[tuple[str, int], list[Figures]] = {}
    for _ in range(rounds):
        for connections in CONNECTIONS:
            for name, (port, request) in targets.items():
                figures = load(port, connections, request, SECONDS)
                measured.setdefault((name, connections), []).append(figures)
    for name in targets:
        table.add(name, **_columns({at: measured[name, at] for at in CONNECTIONS}))
    return table


def _columns(rounds: dict[int, list[Figures]]) -> Figures:
    rates = {f"per_s_at_{at}": _median(found, "requests_per_s") for at, found in rounds.items()}
    return {
        **rates,
        "p50_ms_at_1": _median(rounds[1], "p50_ms"),
        "p99_ms_at_64": _median(rounds[64], "p99_ms"),
        "p99_ms_at_256": _median(rounds[256], "p99_ms"),
        "failed": int(sum(figures["failed"] for found in rounds.values() for figures in found)),
    }


def _commands(server: LiveServer, client: httpx.Client, token: str) -> Table:
    """Place and cancel; the baseline is the same call in the server's process, without HTTP."""
    table = Table("Commands", baseline="place, without HTTP", ratio_of="p50_ms_at_1")
    direct = httpx.get(f"{server.url}/bench/place", timeout=60).raise_for_status().json()
    table.add("place, without HTTP", p50_ms_at_1=direct["p50_ms"])
    for name, order in (("market", MARKET), ("limit", RESTING)):
        request = post("/api/v1/orders", token, order)
        rounds: dict[int, list[Figures]] = {}
        for connections in CONNECTIONS:
            rounds[connections] = [load(server.port, connections, request, SECONDS)]
        table.add(f"POST /orders, {name}", **_columns(rounds))
    client.delete("/orders", timeout=60).raise_for_status()
    table.add("DELETE /orders/{id}", p50_ms_at_1=quantiles(_cancel(client))["p50_ms"])
    return table


def _cancel(client: httpx.Client) -> list[float]:
    placed = [client.post("/orders", json=RESTING).json()["data"]["id"] for _ in range(CANCELED)]
    taken = []
    for order_id in placed:
        started = time.perf_counter()
        client.delete(f"/orders/{order_id}").raise_for_status()
        taken.append((time.perf_counter() - started) * 1000)
    return taken


def _median(rounds: list[Figures], name: str) -> float:
    return statistics.median(figures[name] for figures in rounds)


if __name__ == "__main__":
    main("http", measure)
