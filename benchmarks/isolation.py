"""Benchmark of the API load's effect on the bot: loop lag, fills, and the health check.

    python -m benchmarks.isolation
    python -m benchmarks.isolation --switching    the same for several switch intervals

The lag is the delay of a timer that is due on the bot's loop every 20 ms.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

from benchmarks._host_noise import quietest_run
from benchmarks._http_load import MARKET, RESTING, Figures, Loader, get, post
from benchmarks._probes import FillProbe, HealthProbe, lags, quantiles
from benchmarks._shared_servers import SETTINGS, shared_server
from benchmarks.harness import Table, main
from benchmarks.live import BENCHMARK_SERVER, LiveServer, live_server

SECONDS = 3.5
BEGUN_S, ENDED_S = 0.5, 0.5
OPEN_ORDERS = 50


def measure() -> Iterator[Table]:
    """Yield one table, or one for each switch interval."""
    if "--switching" not in sys.argv:
        with shared_server() as server:
            yield _table("The bot under load", server)
        return
    for switch_ms in (0.5, 1.0, 5.0, 20.0):
        with live_server(command=BENCHMARK_SERVER, switch_ms=switch_ms, **SETTINGS) as server:
            yield _table(f"The bot under load, switch interval {switch_ms:g} ms", server)


def _table(title: str, server: LiveServer) -> Table:
    table = Table(title, baseline="nothing", ratio_of="fill_p50_ms")
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
    return table


def _under(server: LiveServer, connections: int, request: bytes) -> Figures:
    """Return the effect of a load on the probes."""
    return quietest_run(lambda: _measured_under(server, connections, request))


def _measured_under(server: LiveServer, connections: int, request: bytes) -> Figures:
    """Measure the probes under a load for some seconds."""
    filler = FillProbe(server)
    with Loader() as loader:
        if connections:
            loader.begin(server.port, connections, request, SECONDS)
        time.sleep(BEGUN_S)
        lags(server)
        pinger = HealthProbe(server)
        filler.start()
        time.sleep(SECONDS - BEGUN_S - ENDED_S)
        pings, fills, late = pinger.end(), filler.end(), lags(server)
        loaded = loader.result() if connections else {"requests_per_s": 0.0, "failed": 0}
    return {
        "requests_per_s": loaded["requests_per_s"],
        "failed": loaded["failed"],
        **late,
        **quantiles(pings, "healthz_"),
        **quantiles(fills, "fill_"),
    }


if __name__ == "__main__":
    main("isolation", measure)
