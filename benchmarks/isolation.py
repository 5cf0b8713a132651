"""What the bot feels of the API's load: its loop's lag, its fills, and who still gets an answer.

    python -m benchmarks.isolation
    python -m benchmarks.isolation --switching    the same for several switch intervals

A beat of the bot's loop every 20 ms is measured against when it was due.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

from benchmarks._asking import (
    MARKET,
    RESTING,
    UNLIMITED,
    Figures,
    Filler,
    Pinger,
    get,
    lags,
    load_result,
    post,
    quantiles,
    start_load,
)
from benchmarks._history import PAPER_BALANCE
from benchmarks.harness import Table, main
from benchmarks.live import OPEN_TO_QUESTIONS, LiveServer, live_server

SECONDS = 5.0
SETTINGS = {"paper_balance": PAPER_BALANCE, **UNLIMITED}
OPEN_ORDERS = 50


def measure() -> Iterator[Table]:
    """Yield one table, or one for each switch interval."""
    intervals = (0.5, 1.0, 5.0, 20.0) if "--switching" in sys.argv else (None,)
    for switch_ms in intervals:
        suffix = "" if switch_ms is None else f", switch interval {switch_ms:g} ms"
        table = Table(f"The bot under load{suffix}", baseline="nothing", ratio_of="fill_p50_ms")
        with live_server(command=OPEN_TO_QUESTIONS, switch_ms=switch_ms, **SETTINGS) as server:
            _add_rows(table, server)
        yield table


def _add_rows(table: Table, server: LiveServer) -> None:
    with server.client() as client:
        for _ in range(OPEN_ORDERS):
            client.post("/orders", json=RESTING).raise_for_status()
    token = server.login()
    table.add("nothing", **_under(server, 0, b""))
    for path in ("portfolio", "orders", "trades/history?limit=500"):
        request = get(f"/api/v1/{path}", token)
        table.add(f"256 x GET /{path}", **_under(server, 256, request))
    market = post("/api/v1/orders", token, MARKET)
    table.add("64 x POST /orders, market", **_under(server, 64, market))


def _under(server: LiveServer, connections: int, request: bytes) -> Figures:
    """Measure for some seconds what a load does to others."""
    loader = start_load(server.port, connections, request, SECONDS) if connections else None
    time.sleep(0.5)
    lags(server)
    pinger, filler = Pinger(server), Filler(server)
    time.sleep(SECONDS - 1.5)
    pings, fills, late = pinger.end(), filler.end(), lags(server)
    loaded = load_result(loader) if loader else {"requests_per_s": 0.0, "failed": 0.0}
    return {
        "requests_per_s": loaded["requests_per_s"],
        "failed": loaded["failed"],
        **late,
        **quantiles(pings, "healthz_"),
        **quantiles(fills, "fill_"),
    }


if __name__ == "__main__":
    main("isolation", measure)
