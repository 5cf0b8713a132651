"""Candle events: publishes the running and closed candles that the bot follows."""

from __future__ import annotations

import time
from typing import Any

from backend.bridge.market_data.tickers import seconds
from backend.bridge.octobot.conversion import ZERO, decimal_or_none, utc
from backend.bridge.octobot.exchange import Channel, Exchange
from backend.bridge.octobot.exchange_market import interval_minutes
from backend.bridge.octobot.market_rows import clean_candles
from backend.bridge.read_models.event_data import event_data
from backend.ports.events import Event, EventSink
from backend.schemas.markets import Candle


class CandleEvents:
    """Publishes the candles of every exchange; runs on the bot's loop."""

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink
        self._newest: dict[str, tuple[float, bytes]] = {}

    def begin(self) -> None:
        """Forget the candles of the previous run."""
        self._newest.clear()
        self._sink.replace_snapshot("candles", {})

    async def follow(self, exchange: Exchange) -> None:
        """Consume the candles of an exchange; the consumers end with its channels."""
        await exchange.consume(Channel.CANDLE_UPDATES, self._on_update)
        await exchange.consume(Channel.CLOSED_CANDLES, self._on_closed)

    async def _on_update(
        self, *, exchange: str, symbol: str, time_frame: str, kline: list[float], **_: Any
    ) -> None:
        self._publish(exchange, symbol, time_frame, kline, closed=False)

    async def _on_closed(
        self, *, exchange: str, symbol: str, time_frame: str, candle: list[float], **_: Any
    ) -> None:
        self._publish(exchange, symbol, time_frame, candle, closed=True)

    def _publish(
        self, exchange: str, symbol: str, interval: str, row: list[float], *, closed: bool
    ) -> None:
        """Publish a candle that can be read; the snapshot holds the one that began last."""
        rows = clean_candles([row])
        if not rows:
            return
        row = rows[0]
        key = f"{exchange} {symbol} {interval}"
        json = _candle(row, closed=closed).model_dump_json().encode()
        data = event_data(exchange, symbol, "candle", json, interval)
        newest = self._newest.get(key)
        if newest is None or newest[0] <= row[0]:
            newest = self._newest[key] = (row[0], data)
        self._sink.publish(Event("candles", "candle", key, symbol, data, newest[1]))


def _candle(row: list[float], *, closed: bool) -> Candle:
    start, first, high, low, last, volume = row
    prices = (decimal_or_none(value) or ZERO for value in (first, high, low, last))
    return Candle(
        time=utc(start),
        **dict(zip(("open", "high", "low", "close"), prices, strict=True)),
        volume=decimal_or_none(volume),
        closed=closed,
    )


def read_candles(rows: list[list[float]], interval: str) -> list[Candle]:
    """Read the rows of an exchange.

    One that a later one follows is closed, whatever this machine's clock says; of the newest
    only the clock can tell.
    """
    length_s, now = interval_minutes(interval) * 60, time.time()
    newest = max((row[0] for row in rows), default=0.0)
    return [
        _candle(
            [seconds(start), *figures],
            closed=start < newest or seconds(start) + length_s <= now,
        )
        for start, *figures in rows
    ]
