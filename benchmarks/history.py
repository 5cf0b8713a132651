"""What a long history costs: boot, memory, and the reads that must not grow with it.

    python -m benchmarks.history

Each row is a home whose paper account has traded so often; requests come over one connection.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks._asking import UNLIMITED, Figures, get, load
from benchmarks._history import PAPER_BALANCE, write_history
from benchmarks.harness import Table, main
from benchmarks.live import LiveServer, live_server

COUNTS = (10, 10_000, 100_000)
SECONDS = 0.7
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
    table = Table("By trades in the history", baseline="10", ratio_of="portfolio_p50_ms")
    for count in COUNTS:
        with tempfile.TemporaryDirectory(prefix="history-") as folder:
            write_history(Path(folder), count)
            started = time.perf_counter()
            settings = {"paper_balance": PAPER_BALANCE, **UNLIMITED}
            with live_server(Path(folder), **settings) as server:
                boot_s = time.perf_counter() - started
                table.add(f"{count:,}", boot_s=boot_s, rss_mb=server.rss_mb(), **_reads(server))
    yield table


def _reads(server: LiveServer) -> Figures:
    token = server.login()
    started = time.perf_counter()
    with server.client() as client:
        client.get("/trades/pnl", timeout=60).raise_for_status()  # books all that is not booked yet
    figures: Figures = {"first_pnl_ms": (time.perf_counter() - started) * 1000}
    failed = 0.0
    for name, path in READS.items():
        measured = load(server.port, 1, get(f"/api/v1/{path}", token), SECONDS)
        figures[f"{name}_p50_ms"] = measured["p50_ms"]
        failed += measured["failed"]
    return {**figures, "failed": failed}


if __name__ == "__main__":
    main("history", measure)
