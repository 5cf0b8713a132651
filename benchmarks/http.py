"""Reads and commands over HTTP through all middleware, beside a bare Flask view on the same server.

    python -m benchmarks.http

The bot runs on the sandbox exchange with 50 open orders. The load comes from
another process; rounds of all rows are interleaved, and each figure is the
median of its rounds.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.harness import Table, main, percentile
from benchmarks.live import LiveServer, free_port, live_server

ROUNDS = 3
SECONDS = 2.0
MANY = 64
MOST = 256
OPEN_ORDERS = 50
COMMANDS = 300
RESTING = {
    "symbol": "BTC/USDT",
    "side": "buy",
    "type": "limit",
    "quantity": "0.001",
    "price": "20000",
}
UNLIMITED = {"rate_limit_query": "9999999/minute", "rate_limit_trade": "9999999/minute"}
READS = ("/healthz", "/api/v1/portfolio", "/api/v1/orders", "/api/v1/trades/history")

Figures = dict[str, float]


def measure() -> Iterator[Table]:
    """Yield the tables."""
    with live_server(**UNLIMITED) as server, server.client() as client, _hello() as hello_port:
        for _ in range(OPEN_ORDERS):
            client.post("/orders", json=RESTING).raise_for_status()
        token = server.login()
        yield _reads(server, hello_port, token)
        yield _commands(client)
        yield _under_load(server, token)


def _reads(server: LiveServer, hello_port: int, token: str) -> Table:
    table = Table(
        f"Reads, 1 and {MANY} connections",
        baseline="bare Flask view",
        ratio_of=f"requests_per_s_at_{MANY}",
    )
    targets = {"bare Flask view": (hello_port, _get("/"))}
    targets |= {f"GET {path}": (_port(server), _get(path, token)) for path in READS}
    rounds: dict[tuple[str, int], list[Figures]] = {}
    for _ in range(ROUNDS):
        for connections in (1, MANY):
            for name, (target, request) in targets.items():
                figures = _load(target, connections, request)
                rounds.setdefault((name, connections), []).append(figures)
    for name in targets:
        one, many = rounds[name, 1], rounds[name, MANY]
        table.add(
            name,
            p50_ms_at_1=_median(one, "p50_ms"),
            **{
                f"requests_per_s_at_{MANY}": _median(many, "requests_per_s"),
                f"p50_ms_at_{MANY}": _median(many, "p50_ms"),
                f"p99_ms_at_{MANY}": _median(many, "p99_ms"),
            },
            failed=int(sum(figures["failed"] for figures in one + many)),
        )
    return table


def _commands(client: httpx.Client) -> Table:
    table = Table("Commands, 1 connection")
    placed: list[str] = []
    post_ms, delete_ms = [], []
    for _ in range(COMMANDS):
        started = time.perf_counter()
        answer = client.post("/orders", json=RESTING)
        post_ms.append((time.perf_counter() - started) * 1000)
        placed.append(answer.raise_for_status().json()["data"]["id"])
    for order_id in placed:
        started = time.perf_counter()
        client.delete(f"/orders/{order_id}").raise_for_status()
        delete_ms.append((time.perf_counter() - started) * 1000)
    for name, taken in (("POST /orders, limit", post_ms), ("DELETE /orders/{id}", delete_ms)):
        table.add(name, p50_ms=percentile(taken, 50), p99_ms=percentile(taken, 99))
    return table


def _under_load(server: LiveServer, token: str) -> Table:
    """Ask for health in a trickle while the API is loaded to its maximum."""
    table = Table(f"Health while {MOST} connections read the portfolio without pause")
    loader = _start_load(_port(server), MOST, _get("/api/v1/portfolio", token), seconds=5.0)
    time.sleep(0.5)
    taken = []
    with httpx.Client(base_url=server.url) as client:
        while loader.poll() is None:
            started = time.perf_counter()
            client.get("/healthz").raise_for_status()
            taken.append((time.perf_counter() - started) * 1000)
            time.sleep(0.01)
    figures: Figures = json.loads(loader.communicate()[0])
    table.add("GET /healthz", p50_ms=percentile(taken, 50), p99_ms=percentile(taken, 99))
    table.add("GET /portfolio", **{name: figures[name] for name in ("p50_ms", "p99_ms")})
    return table


@contextmanager
def _hello() -> Iterator[int]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks._http_hello", str(port)],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            httpx.get(f"http://127.0.0.1:{port}/").raise_for_status()
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the bare view did not start")


def _get(path: str, token: str | None = None) -> bytes:
    bearer = "" if token is None else f"Authorization: Bearer {token}\r\n"
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{bearer}\r\n".encode()


def _port(server: LiveServer) -> int:
    return int(server.url.rpartition(":")[2])


def _load(port: int, connections: int, request: bytes) -> Figures:
    output, _ = _start_load(port, connections, request, SECONDS).communicate()
    figures: Figures = json.loads(output)
    return figures


def _start_load(
    port: int, connections: int, request: bytes, seconds: float
) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "benchmarks._http_load"),
            *(str(port), str(connections), str(seconds)),
        ],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(request)
    process.stdin.close()
    process.stdin = None  # communicate() would flush it
    return process


def _median(rounds: list[Figures], name: str) -> float:
    return statistics.median(figures[name] for figures in rounds)


if __name__ == "__main__":
    main("http", measure)
