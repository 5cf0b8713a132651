"""Benchmark of a long history: boot time, memory, and reads that must not grow with it.

    python -m benchmarks.history

Each row is a home whose paper account has that many trades. All of them run side by side and are
measured in turns over one connection, so that the conditions are the same: a ratio is the median
of many short rounds'. All are pinned to one core, and the client to the others: the placement of
server and client makes more of a difference than any history.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from benchmarks._http_load import UNLIMITED, Figures, Loader, get
from benchmarks._long_history import PAPER_BALANCE
from benchmarks._shared_servers import LONGEST, long_history
from benchmarks.harness import Table, main
from benchmarks.live import LiveServer, live_server

COUNTS = (10, 10_000, LONGEST)
NOT_TO_GROW = ("portfolio", "orders")
ROUNDS = {True: 24, False: 6}
"""Slices of each read: of those that must not grow with the history, and of others."""
SLICE_S = 0.03
SETTINGS = {"paper_balance": PAPER_BALANCE, "share_core": False, **UNLIMITED}
READS = {
    "portfolio": "portfolio",
    "orders": "orders",
    "closed_orders": "orders?status=closed",
    "trades": "trades/history",
    "old_trades": "trades/history?until=2026-01-01T00:00:00Z",
    "pnl": "trades/pnl",
}


def measure() -> Iterator[Table]:
    """Yield the table."""
    table = Table("By trades in the history")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="history-")))
        for count in COUNTS:
            long_history(folder / str(count), count)
        with ThreadPoolExecutor(len(COUNTS)) as starters:
            started = list(starters.map(lambda count: _start(folder / str(count)), COUNTS))
        rows: dict[int, Figures] = {}
        for count, (context, _, boot_s) in zip(COUNTS, started, strict=True):
            stack.push(context)
            rows[count] = {"boot_s": boot_s}
        servers = {count: server for count, (_, server, _) in zip(COUNTS, started, strict=True)}
        for count, server in servers.items():
            rows[count] |= {"rss_mb": server.rss_mb(), "first_pnl_ms": _first_pnl_ms(server)}
        _hold_still(servers.values())
        for count, figures in _reads(servers).items():
            table.add(f"{count:,}", **rows[count], **figures)
    yield table


def _start(home: Path) -> tuple[ExitStack, LiveServer, float]:
    begun = time.perf_counter()
    context = ExitStack()
    server = context.enter_context(live_server(home, **SETTINGS))
    return context, server, time.perf_counter() - begun


def _first_pnl_ms(server: LiveServer) -> float:
    with server.client() as client:
        started = time.perf_counter()
        client.get("/trades/pnl", timeout=60).raise_for_status()  # processes new executions
        return (time.perf_counter() - started) * 1000


def _hold_still(servers: Iterable[LiveServer]) -> None:
    """Pin all servers to one core, and this process and those it will start to the others."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) > 1:
        for server in servers:
            for task in os.listdir(f"/proc/{server.pid}/task"):
                os.sched_setaffinity(int(task), cores[:1])
        os.sched_setaffinity(0, cores[1:])


def _reads(servers: dict[int, LiveServer]) -> dict[int, Figures]:
    """Measure the reads of all servers in turns."""
    tokens = {count: server.login() for count, server in servers.items()}
    taken: dict[tuple[int, str], list[float]] = {}
    failed = dict.fromkeys(servers, 0.0)
    with Loader() as loader:
        for name, path in READS.items():
            for _ in range(ROUNDS[name in NOT_TO_GROW]):
                for count, server in servers.items():
                    request = get(f"/api/v1/{path}", tokens[count])
                    found = loader.load(server.port, 1, request, SLICE_S)
                    taken.setdefault((count, name), []).append(found["p50_ms"])
                    failed[count] += found["failed"]
    return {
        count: {
            **{f"{name}_p50_ms": statistics.median(taken[count, name]) for name in READS},
            "failed": failed[count],
            **{f"{name}_ratio": _ratio(taken, count, name) for name in NOT_TO_GROW},
        }
        for count in servers
    }


def _ratio(taken: dict[tuple[int, str], list[float]], count: int, name: str) -> float:
    pairs = zip(taken[count, name], taken[COUNTS[0], name], strict=True)
    return statistics.median(mine / its for mine, its in pairs)


if __name__ == "__main__":
    main("history", measure)
