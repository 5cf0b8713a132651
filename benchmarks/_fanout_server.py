"""Server process of the fan-out benchmark: a bot's loop that publishes to a hub or to bare sockets.

Prints its port, then responds to each line on stdin with a line of JSON: `memory`, or
`publish <events per second> <seconds>`.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import gevent

from backend.concurrency.gevent_host import GeventHost
from backend.ports.events import Event
from backend.ports.socket_handoff import hand_over_socket
from backend.server.server import Server, listen, raise_open_files_limit
from backend.streams import Hub, Selection, StreamOwner
from benchmarks.harness import percentile

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SYMBOLS = [f"{base}/USDT" for base in ("BTC", "ETH", "SOL", "XRP", "ADA", "BNB", "DOT", "TRX")]
HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Bot:
    """A native thread with an asyncio loop that publishes prices and measures its own lag."""

    def __init__(self, publish: Callable[[Event], None]) -> None:
        self._publish = publish
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def run(self, rate: float, seconds: float) -> dict[str, float]:
        """Publish `rate` events a second; returns the cost."""
        cpu = time.process_time()
        done = asyncio.run_coroutine_threadsafe(self._run(rate, seconds), self._loop)
        lags, costs = done.result()
        return {
            "sent": rate * seconds,
            "cpu_percent": 100 * (time.process_time() - cpu) / seconds,
            "loop_lag_p99_ms": percentile(lags, 99) / 1e6,
            "publish_p50_us": percentile(costs, 50) / 1e3,
        }

    async def _run(self, rate: float, seconds: float) -> tuple[list[float], list[float]]:
        lags: list[float] = []
        costs: list[float] = []
        start = time.monotonic_ns()
        for number in range(int(rate * seconds)):
            due = start + int(number * 1e9 / rate)
            pause = due - time.monotonic_ns()
            if pause > 0:
                await asyncio.sleep(pause / 1e9)
                lags.append(max(0, time.monotonic_ns() - due))
            event = price_event(number)
            before = time.perf_counter_ns()
            self._publish(event)
            costs.append(time.perf_counter_ns() - before)
        return lags, costs


def price_event(number: int) -> Event:
    """Return a price event as the bridge sends it, stamped with the present time."""
    symbol = SYMBOLS[number % len(SYMBOLS)]
    item = (
        b'{"exchange":"sandbox","symbol":"%b","price":"%d.25","bid":"60000.24","ask":"60000.26",'
        b'"timestamp":"2026-01-20T10:00:00.123Z","t":%d}'
        % (symbol.encode(), 60000 + number, time.monotonic_ns())
    )
    return Event("prices", "price_update", symbol, symbol, item, item)


class BareSockets:
    """Baseline: sends the bytes of the published events to each of an array of sockets."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self._waiting: deque[bytes] = deque()
        self._more = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        threading.Thread(target=self._send, daemon=True).start()
        self._number = 0

    def publish(self, event: Event) -> None:
        """Append one event."""
        self._number += 1
        self._waiting.append(b"id: a-%d\ndata: %b\n\n" % (self._number, event.data))
        self._more.set()

    def _accept(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.recv(4096)
            sock.send(HEAD + b"retry: 2000\n\n")
            sock.setblocking(False)
            self._sockets.append(sock)

    def _send(self) -> None:
        while True:
            self._more.wait()
            self._more.clear()
            chunk = b"".join([self._waiting.popleft() for _ in range(len(self._waiting))])
            for sock in self._sockets:
                sock.send(chunk)


def stream_application(hub: Hub, *, iterate: bool) -> WSGIApplication:
    """Return the smallest application that serves a stream of prices."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> object:
        holder = StreamOwner("user", time.time() + 3600, lambda: True)
        body = hub.open_stream(Selection(("prices",)), holder)
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        if not iterate and hand_over_socket(environ, body.take_over):
            return ()
        return body

    return application  # type: ignore[return-value]  # WSGI's own types are wider than declared


def serve(way_out: str) -> None:
    """Serve, and execute the commands on stdin until it ends."""
    if way_out == "bare":
        bare = BareSockets()
        port, publish = bare.port, bare.publish
    else:
        hub = Hub(10_000, GeventHost(), max_streams=100_000, max_streams_per_user=100_000)
        listener = listen("127.0.0.1", 0)
        Server(listener, stream_application(hub, iterate=way_out == "iterated")).start()
        port, publish = listener.getsockname()[1], hub.publish
    bot = Bot(publish)
    print(port, flush=True)
    while line := gevent.get_hub().threadpool.apply(sys.stdin.readline):
        command, *numbers = line.split()
        if command == "publish":
            result = gevent.get_hub().threadpool.apply(bot.run, tuple(map(float, numbers)))
        else:
            result = {"rss_kb": rss_kb()}
        print(json.dumps(result), flush=True)


def rss_kb() -> int:
    """Return the resident memory of this process."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


if __name__ == "__main__":
    raise_open_files_limit()
    serve(sys.argv[1])
