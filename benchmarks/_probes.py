"""Probes that run beside a load: health checks, fills, the bot's loop lag, processor time."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from pathlib import Path

import httpx

from benchmarks._http_load import MARKET, Figures
from benchmarks.harness import percentile
from benchmarks.live import LiveServer

_PATIENCE_S = 2.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class HealthProbe:
    """Thread that requests one address at intervals until its end."""

    def __init__(self, server: LiveServer, path: str = "/healthz") -> None:
        self._url = server.url + path
        self._over = threading.Event()
        self._taken_ms: list[float] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def end(self) -> list[float]:
        """Stop, and return the time of each response in milliseconds."""
        self._over.set()
        self._thread.join()
        return self._taken_ms

    def _run(self) -> None:
        with httpx.Client(timeout=30) as client:
            while not self._over.wait(0.01):
                started = time.perf_counter()
                client.get(self._url).raise_for_status()
                self._taken_ms.append((time.perf_counter() - started) * 1000)


class FillProbe:
    """Buys at intervals, and records when a stream reports the fill."""

    def __init__(self, server: LiveServer, every_s: float = 0.05) -> None:
        # logged in before they run: under load that takes as long as many fills
        self._buyer, self._listener = server.client(), server.client()
        self._every_s = every_s
        self._sent: dict[str, float] = {}
        self._told: dict[str, float] = {}
        self._over, self._ready = threading.Event(), threading.Event()
        self._threads = [threading.Thread(target=run) for run in (self._listen, self._buy)]

    def start(self) -> None:
        """Start listening and buying."""
        for thread in self._threads:
            thread.start()

    def end(self) -> list[float]:
        """Stop, and return the milliseconds from each order's sending to its event."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        told = self._told
        return [(told[key] - at) * 1000 for key, at in self._sent.items() if key in told]

    def _buy(self) -> None:
        self._ready.wait(_PATIENCE_S)
        with self._buyer as client:
            while not self._over.wait(self._every_s):
                started = time.perf_counter()
                answer = client.post("/orders", json=MARKET)
                if answer.status_code == httpx.codes.CREATED:
                    self._sent[answer.json()["data"]["id"]] = started

    def _listen(self) -> None:
        with (
            self._listener as client,
            client.stream("GET", "/stream?topics=orders", timeout=_PATIENCE_S) as lines,
            contextlib.suppress(httpx.ReadTimeout),  # nothing more arrives
        ):
            name = ""
            for line in lines.iter_lines():
                self._ready.set()
                if line.startswith("event: "):
                    name = line[7:]
                elif line.startswith("data: ") and name == "order_filled":
                    self._told[json.loads(line[6:])["order"]["id"]] = time.perf_counter()
                if self._over.is_set() and self._sent.keys() <= self._told.keys():
                    return


def quantiles(taken_ms: list[float], name: str = "") -> Figures:
    """Return median and 99th percentile as columns."""
    taken = taken_ms or [float("nan")]
    return {f"{name}p50_ms": percentile(taken, 50), f"{name}p99_ms": percentile(taken, 99)}


def lags(server: LiveServer) -> Figures:
    """Return the lags of the bot's loop since the last call; the server is `_server_process`."""
    answer = httpx.get(f"{server.url}/bench/lags").raise_for_status().json()
    return {f"lag_{name}": value for name, value in answer.items()}


def cpu_s(pid: int) -> float:
    """Return the processor time in seconds that a process has used, in all its threads.

    Read from the present threads where the system counts theirs in nanoseconds: it counts a whole
    process in hundredths of a second, which is a tenth of a slice of load.
    """
    tasks = Path(f"/proc/{pid}/task")
    with contextlib.suppress(FileNotFoundError):
        spent = (task / "schedstat" for task in tasks.iterdir())
        return sum(int(path.read_text().split()[0]) for path in spent) / 1e9
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
