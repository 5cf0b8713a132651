"""Server process as `octobot-backend run` starts it, with extra routes for the benchmarks.

`/bench/lags` returns the loop lags since the previous request, `/bench/place` the time
of an order without HTTP, `/bench/heard` the time at which OctoBot's channel reported
each order's last change since the first such request; `/bench/hello` is the bare Flask
view. BENCH_SWITCH_MS sets the interpreter's switch interval.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import orjson

from backend.bridge import Bridge
from backend.concurrency.gevent_host import GeventHost
from backend.schemas.orders import NewOrder
from backend.server.server import Server, listen, raise_open_files_limit, serve_until_signal
from backend.settings.loading import load_settings
from backend.start import running_app
from benchmarks._bare_flask import app as hello
from benchmarks.harness import percentile

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PLACED = 10
BARE = "/bench/hello"
ORDER = {"symbol": "BTC/USDT", "side": "buy", "type": "limit", "quantity": "0.001"}


def lags(bridge: Bridge) -> dict[str, float]:
    """Return the lags of the loop since the last call."""
    taken = [lag_s * 1000 for lag_s in bridge.lag_monitor.lags_s] or [0.0]
    bridge.lag_monitor.lags_s.clear()
    return {
        "p50_ms": percentile(taken, 50),
        "p99_ms": percentile(taken, 99),
        "worst_ms": max(taken),
    }


def place(bridge: Bridge) -> list[float]:
    """Place orders without HTTP, and cancel them; return the time of each in ms."""
    asked = NewOrder.model_validate({**ORDER, "price": "20000"})
    taken, placed = [], []
    for _ in range(PLACED):
        started = time.perf_counter()
        placed.append(bridge.orders.create(asked).id)
        taken.append((time.perf_counter() - started) * 1000)
    for order_id in placed:
        bridge.orders.cancel(order_id)
    return taken


_heard: dict[str, float] = {}


def delivery_times(bridge: Bridge) -> dict[str, float]:
    """Return the monotonic time at which the channel reported each order; listen from now on."""
    from async_channel.enums import ChannelConsumerPriorityLevels
    from octobot_trading.exchange_channel import get_chan

    async def note(*, order: dict[str, object], **_: object) -> None:
        _heard[str(order["id"])] = time.monotonic()

    async def listen_on_loop() -> None:
        for manager in bridge._context.runner.exchanges.values():
            await get_chan("Orders", manager.id).new_consumer(
                note, priority_level=ChannelConsumerPriorityLevels.OPTIONAL.value
            )

    if not _heard:
        _heard[""] = time.monotonic()
        bridge._context.runner.executor.run(listen_on_loop)
    return dict(_heard)


QUESTIONS: dict[str, Callable[[Bridge], dict[str, float] | list[float]]] = {
    "/bench/lags": lags,
    "/bench/place": place,
    "/bench/heard": delivery_times,
}


def with_benchmark_routes(application: WSGIApplication, bridge: Bridge) -> WSGIApplication:
    """Wrap the application with the benchmarks' routes."""

    def asked(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        _ = bridge.lag_monitor.lag_s  # reading keeps the lag monitor's timer fast
        if not environ["PATH_INFO"].startswith("/bench/"):
            return application(environ, start_response)
        if environ["PATH_INFO"] == BARE:
            environ["PATH_INFO"] = "/"
            return hello.wsgi_app(environ, start_response)
        question = QUESTIONS[environ["PATH_INFO"]]
        body = orjson.dumps(question(bridge))
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    return asked


def main() -> None:
    """Serve until SIGTERM."""
    settings = load_settings()
    raise_open_files_limit()
    if "BENCH_SWITCH_MS" in os.environ:
        sys.setswitchinterval(float(os.environ["BENCH_SWITCH_MS"]) / 1000)
    with (
        listen(settings.host, settings.port) as listener,
        running_app(settings, GeventHost()) as app,
    ):
        bridge = app.extensions["backend"].bridge
        serve_until_signal(Server(listener, with_benchmark_routes(app, bridge)))
    os._exit(0)


if __name__ == "__main__":
    main()
