"""Benchmark of the fan-out of price events to stream clients: delivered events, delay, cost.

    python -m benchmarks.fanout            about a minute
    python -m benchmarks.fanout --full     every size, two minutes

The bot's loop, the hub and the server are one process, as in production; the
clients are two others and check that no event is missing, duplicate or out of
order. Each size has a baseline: `bare` sends the same bytes to an array of
sockets in a plain loop. `ratio` is the hub's p99 over that of `bare`. The
buffers of stalled clients are filled before anything is measured.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks._host_noise import quietest_run
from benchmarks.harness import Table, main

FOLDER = Path(__file__).parent
SECONDS = 2.0
IDLE_S = 3.0
RUN_WITHIN_S = 60.0
BUFFERS_FULL = 4000  # events after which the kernel accepts no more for a stalled client
LOADS = 2


@dataclass(frozen=True)
class Size:
    """One measurement: numbers of clients, events a second, and stalled clients."""

    clients: int
    rate: int
    stalled: int = 0

    def __str__(self) -> str:
        silent = f", {self.stalled} stalled" * bool(self.stalled)
        return f"{self.clients:,} x {self.rate:,}{silent}"


SHORT = (Size(1000, 100), Size(1000, 100, stalled=100), Size(1000, 1000), Size(5000, 100))
FULL = tuple(Size(clients, rate) for clients in (100, 1000, 5000) for rate in (10, 100, 1000))


class Process:
    """One of the measuring processes, which responds to a line with a line."""

    def __init__(self, stack: ExitStack, module: str, *arguments: object) -> None:
        command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
        self._process = stack.enter_context(
            subprocess.Popen(
                command,
                cwd=FOLDER.parent,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        stack.callback(self._process.kill)
        watchdog = threading.Timer(RUN_WITHIN_S, self._process.kill)
        watchdog.daemon = True
        watchdog.start()
        stack.callback(watchdog.cancel)

    def line(self) -> str:
        """Wait for a line."""
        assert self._process.stdout is not None
        found = self._process.stdout.readline()
        if not found:
            raise RuntimeError("a measuring process ended early")
        return found.strip()

    def tell(self, command: str) -> None:
        """Send a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()

    def ask(self, command: str) -> dict[str, Any]:
        """Send a line and return the response."""
        self.tell(command)
        answer: dict[str, Any] = json.loads(self.line())
        return answer


def measure() -> Iterator[Table]:
    """Yield the ways of sending side by side, then every size beside its baseline."""
    found: dict[tuple[str, Size], dict[str, float]] = {}

    def once(way_out: str, size: Size) -> dict[str, float]:
        if (way_out, size) not in found:
            try:
                found[way_out, size] = quietest_run(lambda: run(way_out, size))
            except RuntimeError:  # not at its end in time: a row without figures
                found[way_out, size] = {}
        return found[way_out, size]

    ways = Table("Ways out, 1,000 clients, 100 events/s", baseline="bare", ratio_of="p99_ms")
    for way_out in ("bare", "handed over", "iterated"):
        ways.add(way_out, **once(way_out, Size(1000, 100)))
    yield ways
    sizes = Table("Sizes, handed over")
    for size in FULL if "--full" in sys.argv else SHORT:
        bare = once("bare", Size(size.clients, size.rate))
        sizes.add(str(size), **beside(bare, once("handed over", size)))
    yield sizes


def beside(bare: dict[str, float], figures: dict[str, float]) -> dict[str, float]:
    """Add the figures of its baseline to those of a size."""
    shown = ("delivered_percent", "p50_ms", "p99_ms", "cpu_percent")
    floor = {f"bare_{name}": bare[name] for name in shown if name in bare}
    if bare and figures:
        floor["ratio"] = round(figures["p99_ms"] / bare["p99_ms"], 2)
    return {**figures, **floor}


def run(way_out: str, size: Size) -> dict[str, float]:
    """Measure one size with fresh processes."""
    with ExitStack() as stack:
        server = Process(stack, "_fanout_server", way_out)
        port = server.line()
        server.ask("publish 1000 0.2")  # so that one-time costs are not counted per client
        before = server.ask("memory")["rss_kb"]
        loads = [
            Process(stack, "_fanout_clients", port, size.clients // LOADS, size.stalled // LOADS)
            for _ in range(LOADS)
        ]
        for load in loads:
            load.line()
        if size.stalled:
            server.ask(f"publish {BUFFERS_FULL} 1")
        for load in loads:
            load.tell("connect")
        for load in loads:
            load.line()
        after = server.ask("memory")["rss_kb"]
        published = server.ask(f"publish {size.rate} {SECONDS}")
        wait_for_all(loads, published["sent"] * size.clients)
        reports = [load.ask("stop") for load in loads]
    arrived = sum(report["events"] for report in reports)
    return {
        "delivered_percent": 100 * arrived / (published["sent"] * size.clients),
        "broken": sum(report["broken"] for report in reports),
        "p50_ms": max(report["p50_ms"] for report in reports),
        "p99_ms": max(report["p99_ms"] for report in reports),
        "kb_per_client": (after - before) / (size.clients + size.stalled),
        "cpu_percent": published["cpu_percent"],
        "loop_lag_p99_ms": published["loop_lag_p99_ms"],
        "publish_p50_us": published["publish_p50_us"],
    }


def wait_for_all(loads: list[Process], wanted: float) -> None:
    """Wait until so many events have arrived, or none arrives any more."""
    arrived, moved_at = -1, time.monotonic()
    while arrived < wanted and time.monotonic() - moved_at < IDLE_S:
        time.sleep(0.1)
        for load in loads:
            load.tell("count")
        now = sum(int(load.line()) for load in loads)
        if now > arrived:
            arrived, moved_at = now, time.monotonic()


if __name__ == "__main__":
    main("fanout", measure)
