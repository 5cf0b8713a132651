"""Candle, order book, evaluator, notification and log topics of a real bot."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from tests.api_client import ApiClient
from tests.http_server import HttpServer
from tests.streams.stream_client import Sse, SseClient, wait_until

Open = Callable[..., SseClient]


@pytest.fixture
def open_stream(client: ApiClient, served: HttpServer) -> Iterator[Open]:
    """Open streams as an admin, or with another token."""
    opened: list[SseClient] = []
    admin = client.as_admin().headers["Authorization"]

    def open_(query: str, authorization: str = admin, **options: str) -> SseClient:
        headers = f"Authorization: {authorization}\r\n"
        opened.append(SseClient(served.port, f"/api/v1/stream?{query}", headers=headers, **options))
        return opened[-1]

    yield open_
    for stream in opened:
        stream.close()


@pytest.fixture
def on_loop(app: Flask) -> Callable[[Callable[[Any], Awaitable[None]]], None]:
    """Let OctoBot do something on its own loop, as its own parts do."""
    runner = app.extensions["backend"].bridge._context.runner

    def run(work: Callable[[Any], Awaitable[None]]) -> None:
        async def on_the_loop() -> None:
            await work(runner)

        runner.executor.run(on_the_loop)

    return run


def of(stream: SseClient, wanted: Callable[[dict[str, Any]], bool]) -> Sse:
    """Return the first event whose data is wanted."""
    while True:
        [event] = stream.take(1)
        if event.name != "snapshot" and wanted(event.data):
            return event


def manager_of(runner: Any) -> Any:
    return runner.exchanges["sandbox"]


def test_candles_follow_the_market(open_stream: Open) -> None:
    stream = open_stream("topics=candles&intervals=1h&symbols=BTC-USDT")
    event = of(stream, lambda data: not data["candle"]["closed"])
    assert event.name == "candle"
    assert (event.data["exchange"], event.data["symbol"]) == ("sandbox", "BTC/USDT")
    assert event.data["interval"] == "1h"
    candle = event.data["candle"]
    assert candle.keys() == {"time", "open", "high", "low", "close", "volume", "closed"}
    assert float(candle["low"]) <= float(candle["close"]) <= float(candle["high"])


async def close_candle(runner: Any, interval: str, row: list[float]) -> None:
    import octobot_trading.exchange_channel as exchange_channel

    producer = exchange_channel.get_chan("OHLCV", manager_of(runner).id).get_internal_producer()
    await producer.send("Bitcoin", "BTC/USDT", interval, row)


async def run_candle(runner: Any, interval: str, row: list[float]) -> None:
    import octobot_trading.exchange_channel as exchange_channel

    producer = exchange_channel.get_chan("Kline", manager_of(runner).id).get_internal_producer()
    await producer.send("Bitcoin", "BTC/USDT", interval, row)


def test_a_candle_that_closes_is_told_and_the_running_one_stays_on_show(
    open_stream: Open, on_loop: Any
) -> None:
    stream = open_stream("topics=candles&intervals=12h")
    stream.take(1)
    begun, ended = 1_767_268_800, 1_767_225_600
    on_loop(lambda runner: run_candle(runner, "12h", [begun, 2.0, 3.0, 1.0, 2.5, 7.25]))
    on_loop(lambda runner: close_candle(runner, "12h", [ended, 1.0, 2.0, 0.5, 2.0, 100.0]))
    running, closed = stream.take(2)
    assert closed.data["candle"] == {
        "time": "2026-01-01T00:00:00.000Z",
        "open": "1",
        "high": "2",
        "low": "0.5",
        "close": "2",
        "volume": "100",
        "closed": True,
    }
    [snapshot] = open_stream("topics=candles&intervals=12h").take(1)
    assert snapshot.data["data"] == [running.data]
    assert running.data["candle"]["close"] == "2.5"


def test_intervals_choose_in_snapshots_and_on_resuming(open_stream: Open, on_loop: Any) -> None:
    stream = open_stream("topics=candles&intervals=6h,4h")
    stream.take(1)
    for interval in ("6h", "12h", "4h"):
        on_loop(lambda runner, i=interval: run_candle(runner, i, [1_767_225_600, 1, 1, 1, 1, 1]))
    first, second = stream.take(2)
    assert [event.data["interval"] for event in (first, second)] == ["6h", "4h"]
    again = open_stream("topics=candles&intervals=6h,4h", last_event_id=first.id)
    assert again.take(1) == [second]
    [snapshot] = open_stream("topics=candles&intervals=4h").take(1)
    assert snapshot.data["data"] == [second.data]


def test_order_books_are_asked_for_while_somebody_follows_them(open_stream: Open) -> None:
    stream = open_stream("topics=order_book&symbols=BTC-USDT")
    event = of(stream, lambda data: True)
    assert (event.name, event.data["symbol"]) == ("order_book_updated", "BTC/USDT")
    bids, asks = event.data["order_book"]["bids"], event.data["order_book"]["asks"]
    assert 1 <= len(bids) <= 10
    prices = [float(row["price"]) for row in bids], [float(row["price"]) for row in asks]
    assert prices == (sorted(prices[0], reverse=True), sorted(prices[1]))
    assert prices[0][0] < prices[1][0]


def test_books_that_nobody_follows_are_not_asked_for(app: Flask, open_stream: Open) -> None:
    hub = app.extensions["backend"].hub
    stream = open_stream("topics=order_book&symbols=BTC-USDT")
    stream.take(1)
    assert hub.has_subscribers("order_book", "BTC/USDT")
    assert not hub.has_subscribers("order_book", "ETH/USDT")
    stream.close()
    wait_until(lambda: not hub.has_subscribers("order_book", "BTC/USDT"))


async def evaluate(runner: Any, note: Any, **more: Any) -> None:
    import octobot_evaluators.evaluators.channel as evaluator_channels

    matrix_id = runner.bot.matrix_id
    channel = evaluator_channels.get_chan("Matrix", matrix_id)
    await channel.get_internal_producer().send_eval_note(
        matrix_id=matrix_id,
        evaluator_name="RSIMomentumEvaluator",
        evaluator_type="TA",
        eval_note=note,
        eval_note_type=float,
        exchange_name="sandbox",
        cryptocurrency="Bitcoin",
        symbol="BTC/USDT",
        time_frame="1h",
        **more,
    )


def test_without_strategies_the_matrix_is_empty(open_stream: Open, client: ApiClient) -> None:
    client.as_admin().post("/bot/restart", expect=202)
    wait_until(lambda: client.as_viewer().get("/bot")["state"] == "running", 60)
    [snapshot] = open_stream("topics=evaluators").take(1)
    assert (snapshot.data["topic"], snapshot.data["data"]) == ("evaluators", [])


@pytest.mark.parametrize(
    ("note", "shown"), [(-0.75, -0.75), (float("nan"), None), ("0", "0"), (None, None)]
)
def test_what_strategies_evaluate_is_told(
    open_stream: Open, on_loop: Any, note: Any, shown: Any
) -> None:
    stream = open_stream("topics=evaluators&symbols=BTC-USDT")
    stream.take(1)
    on_loop(lambda runner: evaluate(runner, note))
    [event] = stream.take(1)
    assert event.name == "evaluator_updated"
    assert (event.data["exchange"], event.data["symbol"]) == ("sandbox", "BTC/USDT")
    assert event.data["evaluator"] == {
        "name": "RSIMomentumEvaluator",
        "type": "TA",
        "cryptocurrency": "Bitcoin",
        "interval": "1h",
        "note": shown,
        "description": None,
    }
    [snapshot] = open_stream("topics=evaluators").take(1)
    assert snapshot.data["data"] == [event.data]


async def notify(_runner: Any, text: str) -> None:
    import octobot_services.api as services_api
    from octobot_services.enums import NotificationLevel

    await services_api.send_notification(
        services_api.create_notification(text, title="A title", level=NotificationLevel.WARNING)
    )


def test_notifications_are_told_once_also_after_a_restart_and_without_secrets(
    open_stream: Open, on_loop: Any, client: ApiClient
) -> None:
    stream = open_stream("topics=notifications")
    stream.take(1)
    client.as_admin().post("/bot/restart", expect=202)
    wait_until(lambda: client.as_viewer().get("/bot")["state"] == "running", 60)
    on_loop(lambda runner: notify(runner, "buy now, password=hunter2"))
    on_loop(lambda runner: notify(runner, "last"))
    told = []
    while told[-1:] != ["last"]:
        [event] = stream.take(1)
        told.append(event.data["notification"]["text"])
    assert told.count("buy now, password=********") == 1
    assert told.count("last") == 1
    assert event.data["notification"] == {
        "title": "A title",
        "text": "last",
        "level": "warning",
        "category": "global-info",
    }


def test_log_lines_are_told_masked_and_without_traceback(open_stream: Open) -> None:
    stream = open_stream("topics=logs")
    stream.take(1)
    try:
        raise ValueError("inside")
    except ValueError:
        logging.getLogger("OctoBot").exception("it broke, token=abcdef and more")
    event = of(stream, lambda data: data["log"]["text"].startswith("it broke"))
    assert event.name == "log_line"
    assert event.data["log"] == {
        "level": "error",
        "logger": "OctoBot",
        "text": "it broke, token=******** and more",
    }


def test_log_lines_are_for_admins(open_stream: Open, client: ApiClient) -> None:
    for who in (client.as_viewer(), client.as_trader()):
        refused = open_stream("topics=bot,logs", authorization=who.headers["Authorization"])
        assert refused.status == 403
        assert b"logs:read" in refused.body()


@pytest.mark.parametrize("query", ["intervals=7m", "intervals=", "topics=candles&intervals=1m,"])
def test_unknown_intervals_are_refused_by_name(open_stream: Open, query: str) -> None:
    refused = open_stream(query)
    assert refused.status == 400
    assert b'"field":"intervals"' in refused.body()
