"""Benchmark of one process at its limits: streams, connections, long history, many symbols.

    python -m benchmarks.scale

Each row adds to the ones before; every symbol ticks five times a second.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks._http_load import ROOT, UNLIMITED, Figures, get, load
from benchmarks._long_history import PAPER_BALANCE
from benchmarks._probes import HealthProbe, lags, quantiles
from benchmarks._shared_servers import LONGEST, long_history
from benchmarks.harness import Table, main
from benchmarks.live import BENCHMARK_SERVER, LiveServer, live_server

STREAMS = 10_000
BUSY = 256
USERS = 8
SYMBOLS = ("BTC/USDT", "ETH/USDT", *(f"M{number:03}/USDT" for number in range(198)))
SECONDS = 2.0
SETTINGS = {
    "symbols": ",".join(SYMBOLS),
    "paper_balance": PAPER_BALANCE,
    "stream_clients": 2 * STREAMS,
    "stream_clients_per_user": 2 * STREAMS,
    **UNLIMITED,
}


def measure() -> Iterator[Table]:
    """Yield the table."""
    table = Table(f"{LONGEST:,} trades, {len(SYMBOLS)} symbols, and what else there is")
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        long_history(Path(folder), LONGEST)
        started = time.perf_counter()
        with live_server(Path(folder), command=BENCHMARK_SERVER, **SETTINGS) as server:
            boot_s = time.perf_counter() - started
            table.add("nothing", boot_s=boot_s, **_quiet(server))
            token = server.login()
            table.add(f"{BUSY} busy connections", **_busy(server, token))
            with _streams(server) as streams:
                assert streams.stdin is not None
                assert streams.stdout is not None
                streams.stdout.readline()
                table.add(f"{STREAMS:,} idle streams", **_quiet(server))
                figures = _busy(server, token)
                streams.stdin.write("report\n")
                streams.stdin.flush()
                figures |= json.loads(streams.stdout.readline())
                table.add("both", **figures)
    yield table


def _streams(server: LiveServer) -> subprocess.Popen[str]:
    """Open the streams as many users: one alone would reach the limit."""
    with server.client() as client:
        for number in range(USERS):
            user = {"username": f"user{number}", "password": server.password, "role": "viewer"}
            client.post("/users", json=user | {"must_change_password": False}).raise_for_status()
    users = [replace(server, username=f"user{number}") for number in range(USERS)]
    tokens = [user.login() for user in users]
    arguments = [str(server.port), str(STREAMS), *tokens]
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks._idle_streams", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _quiet(server: LiveServer) -> Figures:
    lags(server)
    pinger = HealthProbe(server)
    time.sleep(SECONDS)
    return {"rss_mb": server.rss_mb(), **lags(server), **quantiles(pinger.end(), "healthz_")}


def _busy(server: LiveServer, token: str) -> Figures:
    lags(server)
    pinger = HealthProbe(server)
    loaded = load(server.port, BUSY, get("/api/v1/portfolio", token), SECONDS)
    return {
        "requests_per_s": loaded["requests_per_s"],
        "failed": loaded["failed"],
        "rss_mb": server.rss_mb(),
        **lags(server),
        **quantiles(pinger.end(), "healthz_"),
    }


if __name__ == "__main__":
    main("scale", measure)
