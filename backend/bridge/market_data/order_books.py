"""The top of order books, asked for only while somebody follows them: exchanges count requests."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import octobot_trading.errors as trading_errors
import octobot_trading.exchange_channel as exchange_channel
import orjson
from async_channel.enums import ChannelConsumerPriorityLevels
from octobot_trading.constants import ORDER_BOOK_CHANNEL

from backend.bridge.octobot.conversion import ZERO, decimal_or_none
from backend.bridge.read_models.event_data import event_data
from backend.ports.events import Event, EventSink
from backend.schemas.common import decimal_text

LEVELS = 10
_LEAST_PAUSE_S = 0.25
_ASK_EVERY_S = 2.0
_LOOK_EVERY_S = 0.25
# Any other priority makes OctoBot poll the exchange for our sake.
_PRIORITY = ChannelConsumerPriorityLevels.OPTIONAL.value

log = logging.getLogger(__name__)


class OrderBooks:
    """Publishes each book at most four times a second; all of it runs on the bot's loop."""

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink
        self._managers: dict[str, Any] = {}
        self._told: dict[str, tuple[float, bytes]] = {}
        self._asked: dict[str, float] = {}

    def begin(self) -> None:
        """Forget the exchanges of the bot before."""
        self._managers.clear()
        self._told.clear()
        self._asked.clear()
        self._sink.replace_snapshot("order_book", {})

    async def follow(self, manager: Any) -> None:
        """Consume the books of an exchange that OctoBot fetches for its strategies."""
        self._managers[manager.exchange_name] = manager
        channel = exchange_channel.get_chan(ORDER_BOOK_CHANNEL, manager.id)
        await channel.new_consumer(self._on_book, priority_level=_PRIORITY)

    async def poll(self) -> None:
        """Fetch the books that streams follow and that were not fetched lately; runs forever."""
        while True:
            await asyncio.gather(
                *(
                    self._ask(manager, symbol)
                    for manager in self._managers.values()
                    for symbol in manager.exchange_config.traded_symbol_pairs
                    if self._sink.has_subscribers("order_book", symbol)
                    and self._is_due(_key(manager.exchange_name, symbol))
                )
            )
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _ask(self, manager: Any, symbol: str) -> None:
        exchange = manager.exchange_name
        self._asked[_key(exchange, symbol)] = time.monotonic()
        try:
            raw = await manager.exchange.get_order_book(symbol, limit=LEVELS)
            self._tell(exchange, symbol, raw["asks"], raw["bids"])
        except (trading_errors.OctoBotExchangeError, trading_errors.NotSupported):
            log.info("%s does not tell the order book of %s", exchange, symbol)
        except Exception:  # the others are still to be asked
            log.exception("the order book of %s on %s cannot be read", symbol, exchange)

    async def _on_book(
        self, *, exchange: str, symbol: str, asks: list[Any], bids: list[Any], **_: Any
    ) -> None:
        if self._age_s(_key(exchange, symbol)) >= _LEAST_PAUSE_S:
            self._tell(exchange, symbol, asks, bids)

    def _tell(self, exchange: str, symbol: str, asks: list[Any], bids: list[Any]) -> None:
        key = _key(exchange, symbol)
        json = orjson.dumps({"bids": _levels(bids), "asks": _levels(asks)})
        before = self._told.get(key)
        self._told[key] = (time.monotonic(), json)
        if before is None or before[1] != json:
            data = event_data(exchange, symbol, "order_book", json)
            self._sink.publish(Event("order_book", "order_book_updated", key, symbol, data, data))

    def _is_due(self, key: str) -> bool:
        asked_s = time.monotonic() - self._asked.get(key, 0.0)
        return min(asked_s, self._age_s(key)) >= _ASK_EVERY_S

    def _age_s(self, key: str) -> float:
        told = self._told.get(key)
        return float("inf") if told is None else time.monotonic() - told[0]


def _key(exchange: str, symbol: str) -> str:
    return f"{exchange} {symbol}"


def _levels(rows: list[Any]) -> list[dict[str, str]]:
    """Return the best levels; OctoBot hands on rows of price and quantity, as exchanges do."""
    return [
        {
            "price": decimal_text(decimal_or_none(row[0]) or ZERO),
            "quantity": decimal_text(decimal_or_none(row[1]) or ZERO),
        }
        for row in rows[:LEVELS]
    ]
