"""Fan-out: how many price events reach how many stream clients, how late, at what cost.

    python -m benchmarks.fanout            half a minute
    python -m benchmarks.fanout --full     every size

The bot's loop, the hub and the server are one process, as in production; the
clients are two others and check that no event is missing, doubled or out of
order. Beside each size stands the floor: `bare` sends the same bytes to an
array of sockets in a plain loop. `ratio` is the hub's p99 over that of `bare`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness import Table, main

FOLDER = Path(__file__).parent
SECONDS = 2.0
SETTLE_S = 0.7
LOADS = 2


@dataclass(frozen=True)
class Size:
    """One measurement: so many clients, so many events a second, so many who do not read."""

    clients: int
    rate: int
    stalled: int = 0

    def __str__(self) -> str:
        silent = f", {self.stalled} stalled" * bool(self.stalled)
        return f"{self.clients:,} x {self.rate:,}{silent}"


SHORT = (Size(1000, 100), Size(1000, 100, stalled=100), Size(1000, 1000), Size(5000, 100))
FULL = tuple(Size(clients, rate) for clients in (100, 1000, 5000) for rate in (10, 100, 1000))


class Process:
    """One of the measuring processes, which answers a line with a line."""

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
        """Send a line and return the answer."""
        self.tell(command)
        answer: dict[str, Any] = json.loads(self.line())
        return answer


def measure() -> Iterator[Table]:
    """Yield the ways out side by side, then every size beside its floor."""
    found: dict[tuple[str, Size], dict[str, float]] = {}

    def once(way_out: str, size: Size) -> dict[str, float]:
        if (way_out, size) not in found:
            found[way_out, size] = run(way_out, size)
        return found[way_out, size]

    ways = Table("Ways out, 1,000 clients, 100 events/s", baseline="bare", ratio_of="p99_ms")
    for way_out in ("bare", "handed over", "iterated"):
        ways.add(way_out, **once(way_out, Size(1000, 100)))
    yield ways
    sizes = Table("Sizes, handed over")
    for size in FULL if "--full" in sys.argv else SHORT:
        bare_p99_ms = once("bare", Size(size.clients, size.rate))["p99_ms"]
        figures = once("handed over", size)
        ratio = round(figures["p99_ms"] / bare_p99_ms, 2)
        sizes.add(str(size), **figures, bare_p99_ms=bare_p99_ms, ratio=ratio)
    yield sizes


def run(way_out: str, size: Size) -> dict[str, float]:
    """Measure one size with fresh processes."""
    with ExitStack() as stack:
        server = Process(stack, "_fanout_server", way_out)
        port = server.line()
        server.ask("publish 1000 0.2")  # so that what is set up once is not counted per client
        before = server.ask("memory")["rss_kb"]
        loads = [
            Process(stack, "_fanout_clients", port, size.clients // LOADS, size.stalled // LOADS)
            for _ in range(LOADS)
        ]
        for load in loads:
            load.line()
        after = server.ask("memory")["rss_kb"]
        published = server.ask(f"publish {size.rate} {SECONDS}")
        time.sleep(SETTLE_S)
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


if __name__ == "__main__":
    main("fanout", measure)
