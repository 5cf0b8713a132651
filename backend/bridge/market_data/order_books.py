"""Order book events, fetched only while subscribed: exchanges limit the number of requests."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import orjson

from backend.bridge.octobot.conversion import ZERO, decimal_or_none
from backend.bridge.octobot.exchange import Channel, Exchange
from backend.bridge.octobot.market_rows import clean_levels, is_crossed
from backend.bridge.read_models.event_data import event_data
from backend.errors import BridgeError
from backend.ports.events import Event, EventSink
from backend.schemas.common import decimal_text

LEVELS = 10
_MIN_PAUSE_S = 0.25
_FETCH_EVERY_S = 2.0
_POLL_S = 0.25

log = logging.getLogger(__name__)


class OrderBooks:
    """Publisher of the best levels, at most four times a second; used on the bot's loop only."""

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink
        self._exchanges: dict[str, Exchange] = {}
        self._published: dict[str, tuple[float, bytes]] = {}
        self._fetched_at: dict[str, float] = {}

    def begin(self) -> None:
        """Forget the exchanges of an earlier run."""
        self._exchanges.clear()
        self._published.clear()
        self._fetched_at.clear()
        self._sink.replace_snapshot("order_book", {})

    async def follow(self, exchange: Exchange) -> None:
        """Consume the books that OctoBot fetches from an exchange for its strategies."""
        self._exchanges[exchange.name] = exchange
        await exchange.consume(Channel.ORDER_BOOK, self._on_book)

    async def poll(self) -> None:
        """Fetch, forever, the subscribed books that were not fetched lately."""
        while True:
            await asyncio.gather(
                *(
                    self._fetch(exchange, symbol)
                    for exchange in self._exchanges.values()
                    for symbol in exchange.symbols
                    if self._sink.has_subscribers("order_book", symbol)
                    and self._is_due(_key(exchange.name, symbol))
                )
            )
            await asyncio.sleep(_POLL_S)

    async def _fetch(self, exchange: Exchange, symbol: str) -> None:
        self._fetched_at[_key(exchange.name, symbol)] = time.monotonic()
        try:
            raw = await exchange.market.order_book(symbol, LEVELS)
            self._publish(exchange.name, symbol, raw["asks"], raw["bids"])
        except BridgeError as error:
            log.info("no order book of %s: %s", symbol, error.details)
        except Exception:  # the other books are still to be fetched
            log.exception("the order book of %s on %s cannot be read", symbol, exchange.name)

    async def _on_book(
        self, *, exchange: str, symbol: str, asks: list[Any], bids: list[Any], **_: Any
    ) -> None:
        if self._age_s(_key(exchange, symbol)) >= _MIN_PAUSE_S:
            self._publish(exchange, symbol, asks, bids)

    def _publish(self, exchange: str, symbol: str, asks: list[Any], bids: list[Any]) -> None:
        """Publish a changed book; a crossed one is no book."""
        key = _key(exchange, symbol)
        bids, asks = clean_levels(bids, descending=True), clean_levels(asks, descending=False)
        if is_crossed(bids, asks):
            return
        json = orjson.dumps({"bids": _levels(bids), "asks": _levels(asks)})
        before = self._published.get(key)
        self._published[key] = (time.monotonic(), json)
        if before is None or before[1] != json:
            data = event_data(exchange, symbol, "order_book", json)
            self._sink.publish(Event("order_book", "order_book_updated", key, symbol, data, data))

    def _is_due(self, key: str) -> bool:
        fetched_s = time.monotonic() - self._fetched_at.get(key, 0.0)
        return min(fetched_s, self._age_s(key)) >= _FETCH_EVERY_S

    def _age_s(self, key: str) -> float:
        published = self._published.get(key)
        return float("inf") if published is None else time.monotonic() - published[0]


def _key(exchange: str, symbol: str) -> str:
    return f"{exchange} {symbol}"


def _levels(rows: list[Any]) -> list[dict[str, str]]:
    """Return the best levels as clients see them."""
    return [
        {
            "price": decimal_text(decimal_or_none(row[0]) or ZERO),
            "quantity": decimal_text(decimal_or_none(row[1]) or ZERO),
        }
        for row in rows[:LEVELS]
    ]
