"""Fan-out: how many price events reach how many stream clients, how late, at what cost.

    python -m benchmarks.fanout            under a minute
    python -m benchmarks.fanout --full     every size

The bot's loop, the hub and the server are one process, as in production; the
clients are two others and check that no event is missing, doubled or out of
order. Beside each size stands the floor: `bare` sends the same bytes to an
array of sockets in a plain loop. `ratio` is the hub's p99 over that of `bare`.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks._asking import quantiles
from benchmarks.harness import Table, main
from benchmarks.live import OPEN_TO_QUESTIONS, live_server

FOLDER = Path(__file__).parent
SECONDS = 2.5
SETTLE_S = 0.7
LOADS = 2
ORDERS = 200
MARKET = {"symbol": "BTC/USDT", "side": "buy", "type": "market", "quantity": "0.0005"}


@dataclass(frozen=True)
class Size:
    """One measurement: so many clients, so many events a second, so many who do not read."""

    clients: int
    rate: int
    stalled: int = 0


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
    ways = Table("Ways out, 1,000 clients, 100 events/s", baseline="bare", ratio_of="p99_ms")
    for way_out in ("bare", "handed over", "iterated"):
        ways.add(way_out, **run(way_out, Size(1000, 100)))
    yield ways
    sizes = Table("Sizes, handed over")
    for size in FULL if "--full" in sys.argv else SHORT:
        bare_p99_ms = run("bare", Size(size.clients, size.rate))["p99_ms"]
        figures = run("handed over", size)
        name = f"{size.clients:,} x {size.rate:,}" + (
            f", {size.stalled} stalled" * bool(size.stalled)
        )
        ratio = round(figures["p99_ms"] / bare_p99_ms, 2)
        sizes.add(name, **figures, bare_p99_ms=bare_p99_ms, ratio=ratio)
    yield sizes
    yield orders()


def orders() -> Table:
    """Time filled orders from OctoBot's channel, over journal and hub, to a client's socket."""
    told: dict[str, float] = {}
    table = Table("From OctoBot's channel to a client's socket, committed to the journal before")
    with (
        live_server(command=OPEN_TO_QUESTIONS, rate_limit_enabled=False) as server,
        server.client() as client,
        socket.create_connection(("127.0.0.1", server.port)) as stream,
    ):
        httpx.get(f"{server.url}/bench/heard").raise_for_status()
        bearer = client.headers["Authorization"]
        head = f"GET /api/v1/stream?topics=orders HTTP/1.0\r\nAuthorization: {bearer}\r\n\r\n"
        stream.sendall(head.encode())
        listener = threading.Thread(target=_listen, args=(stream, told))
        listener.start()
        for _ in range(ORDERS):
            client.post("/orders", json=MARKET).raise_for_status()
        time.sleep(SETTLE_S)
        heard = httpx.get(f"{server.url}/bench/heard").raise_for_status().json()
        stream.shutdown(socket.SHUT_RDWR)
        listener.join()
    taken = [(at - heard[order_id]) * 1000 for order_id, at in told.items()]
    table.add("order_filled", events=len(taken), **quantiles(taken))
    return table


def _listen(stream: socket.socket, told: dict[str, float]) -> None:
    rest = b""
    while data := stream.recv(65536):
        at = time.monotonic()
        *blocks, rest = (rest + data).split(b"\n\n")
        for block in blocks:
            if b"event: order_filled" in block:
                told[json.loads(block.partition(b"data: ")[2])["order"]["id"]] = at


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
