"""Benchmark of reads over HTTP through all middleware, beside a bare Flask view.

    python -m benchmarks.http

Both views are on the same server. The bot runs on the sandbox exchange with 50 open orders; the
load comes from another process. Other work of the machine affects one slice of a fraction of a
second and not the next: at 64 connections each slice of a row lies between two of the bare view,
its ratio is taken to those two, and the row's ratio is the median of several. `cpu us` is the
processor time of a request in the server's process, less that of the idle bot; `added` is the
difference to the bare view's in the same process, in bare views.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import NamedTuple

from benchmarks._http_load import RESTING, Figures, Loader, bare_flask, get
from benchmarks._probes import cpu_s
from benchmarks._server_process import BARE as BARE_IN_BOT
from benchmarks._shared_servers import shared_server
from benchmarks.harness import Table, main

ROUNDS = {1: 4, 16: 2, 64: 10, 256: 2}
"""The number of slices of each row, by connections."""
COMPARED = 64
SLICE_S = 0.1
IDLE_S = 2.0
OPEN_ORDERS = 50
BARE, IN_BOT = "bare Flask view", "the same, in the bot's process"
READS = ("/healthz", *(f"/api/v1/{name}" for name in ("portfolio", "orders", "trades/history")))
READS += tuple(
    f"/api/v1/{name}" for name in ("orders?symbol=BTC-USDT&limit=20", "tickers", "bot", "positions")
)


class Target(NamedTuple):
    """Request of a row, and the processor time of its server's process while idle."""

    port: int
    pid: int
    request: bytes
    idle: float


class Measured:
    """The slices of one row at one number of connections."""

    def __init__(self) -> None:
        self._slices: list[Figures] = []
        self.ratios: list[float] = []

    def add(self, loader: Loader, target: Target, connections: int) -> float:
        """Measure a slice; return its requests per second."""
        before = cpu_s(target.pid)
        figures = loader.load(target.port, connections, target.request, SLICE_S)
        figures["cpu_s"] = cpu_s(target.pid) - before - target.idle * figures["seconds"]
        self._slices.append(figures)
        return figures["requests_per_s"]

    def median(self, name: str) -> float:
        """Return the median of the slices' figures."""
        return statistics.median(figures[name] for figures in self._slices)

    def total(self, name: str) -> float:
        """Return the sum of the slices' figures."""
        return sum(figures[name] for figures in self._slices)

    @property
    def cpu_us(self) -> float:
        """The processor time of a request in the server's process."""
        return 1e6 * self.total("cpu_s") / self.total("requests")


Row = dict[int, Measured]
"""By connections."""


def measure() -> Iterator[Table]:
    """Yield the table."""
    with shared_server() as server, bare_flask() as (bare_port, bare_pid), Loader() as loader:
        with server.client() as client:
            for _ in range(OPEN_ORDERS):
                client.post("/orders", json=RESTING).raise_for_status()
        token, idle = server.login(), _idle(server.pid)
        targets = {IN_BOT: Target(server.port, server.pid, get(BARE_IN_BOT), idle)}
        for path in READS:
            targets[f"GET {path}"] = Target(server.port, server.pid, get(path, token), idle)
        yield _table(loader, Target(bare_port, bare_pid, get("/"), 0.0), targets)


def _idle(pid: int) -> float:
    before = cpu_s(pid)
    time.sleep(IDLE_S)
    return (cpu_s(pid) - before) / IDLE_S


def _table(loader: Loader, bare: Target, targets: dict[str, Target]) -> Table:
    rows: dict[str, Row] = {name: {} for name in (BARE, *targets)}
    for connections, rounds in ROUNDS.items():
        measured = {name: Measured() for name in rows}
        for _ in range(rounds):
            before = measured[BARE].add(loader, bare, connections)
            for name, target in targets.items():
                rate = measured[name].add(loader, target, connections)
                if connections == COMPARED:
                    after = measured[BARE].add(loader, bare, connections)
                    measured[name].ratios.append(rate / ((before + after) / 2))
                    before = after
        for name, found in measured.items():
            rows[name][connections] = found
    table = Table("Reads")
    for name, row in rows.items():
        table.add(name, **_columns(row), **_beside(row, rows[BARE], rows[IN_BOT]))
    return table


def _columns(row: Row) -> Figures:
    return {
        **{f"per_s_at_{at}": measured.median("requests_per_s") for at, measured in row.items()},
        "p50_ms_at_1": row[1].median("p50_ms"),
        "p99_ms_at_64": row[64].median("p99_ms"),
        "p99_ms_at_256": row[256].median("p99_ms"),
        "failed": int(sum(measured.total("failed") for measured in row.values())),
        "cpu_us": row[COMPARED].cpu_us,
    }


def _beside(row: Row, bare: Row, in_bot: Row) -> Figures:
    """Compare with the bare views: in requests, and in the cost added to one in this process."""
    if row is bare:
        return {"ratio": 1.0}
    added = (row[COMPARED].cpu_us - in_bot[COMPARED].cpu_us) / bare[COMPARED].cpu_us
    ratio = statistics.median(row[COMPARED].ratios)
    return {"ratio": ratio} if row is in_bot else {"ratio": ratio, "added": added}


if __name__ == "__main__":
    main("http", measure)
