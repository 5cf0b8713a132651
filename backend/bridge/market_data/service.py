"""Market data service: exchanges, markets, tickers, candles and order books."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, TypeVar

from pydantic import TypeAdapter

from backend.bridge.market_data.candles import read_candles
from backend.bridge.market_data.tickers import TickerReader, exchange_time
from backend.bridge.octobot.conversion import ZERO, decimal_or_none
from backend.bridge.octobot.exchange import Exchange as ConnectedExchange
from backend.bridge.octobot.exchange_market import interval_minutes
from backend.bridge.octobot.market_rows import EXCHANGE_TIME
from backend.bridge.read_models.ttl_cache import TtlCache
from backend.bridge.runtime.runner import BotRunner
from backend.ports.serialized import SerializedResponse
from backend.schemas.common import utc_now
from backend.schemas.markets import (
    BookLevel,
    BookQuery,
    Candle,
    CandleQuery,
    Exchange,
    Market,
    OrderBook,
    Ticker,
    TickerQuery,
)

T = TypeVar("T")

_FRESH_S = 0.5


class Markets:
    """Market data of every exchange; responses are cached for half a second."""

    def __init__(self, runner: BotRunner, trading: str) -> None:
        self._runner = runner
        self._trading = trading
        self._recent = TtlCache(_FRESH_S)
        self._ticker_reader = TickerReader()
        self._answers: dict[tuple[Any, ...], tuple[float, asyncio.Task[Any]]] = {}

    def exchanges(self) -> list[Exchange]:
        """Return the exchanges that the bot is connected to."""
        return self._runner.executor.run(self._exchanges)

    def read_exchanges(self) -> SerializedResponse:
        """Return the same, serialized and cached."""
        return self._read("exchanges", lambda: _EXCHANGES.dump_json(self.exchanges()))

    def markets(self, exchange: str | None) -> SerializedResponse:
        """Return the trading rules of every symbol that the bot follows."""
        return self._read(
            ("markets", exchange),
            lambda: _MARKETS.dump_json(self._runner.executor.run(self._markets, exchange)),
        )

    def tickers(self, query: TickerQuery) -> SerializedResponse:
        """Return the tickers of every symbol that the bot follows, or of one."""

        def ask() -> bytes:
            found = self._runner.executor.run(self._tickers, query)
            return _TICKERS.dump_json(found)

        return self._read(("tickers", query), ask)

    def ticker(self, symbol: str, exchange: str | None) -> SerializedResponse:
        """Return one ticker."""

        def ask() -> bytes:
            found = self._runner.executor.run(self._ticker_of, symbol, exchange)
            return found.model_dump_json().encode()

        return self._read(("ticker", symbol, exchange), ask)

    def candles(self, symbol: str, query: CandleQuery) -> SerializedResponse:
        """Return the newest candles, oldest first; the last one is still running."""

        def ask() -> bytes:
            rows = self._runner.executor.run(self._candles, symbol, query)
            return _CANDLES.dump_json(read_candles(rows[-query.limit :], query.interval))

        return self._read(("candles", symbol, query), ask)

    def order_book(self, symbol: str, query: BookQuery) -> SerializedResponse:
        """Return the best levels of both sides."""

        def ask() -> bytes:
            book = self._runner.executor.run(self._order_book, symbol, query)
            return book.model_dump_json().encode()

        return self._read(("book", symbol, query), ask)

    def _read(self, question: Hashable, ask: Callable[[], bytes]) -> SerializedResponse:
        """Return a cached response; `ask` makes its models and JSON on the caller's thread."""
        self._runner.executor.require_ready()
        return self._recent.get(question, ask)

    # ---- on the bot's loop

    async def _exchanges(self) -> list[Exchange]:
        return [
            Exchange(
                id=name,
                name=exchange.title,
                trading="real" if self._trading == "real" else "paper",
                type="future" if exchange.is_futures else "spot",
                ready=exchange.is_ready,
                symbols=sorted(exchange.symbols),
                intervals=sorted(exchange.intervals, key=interval_minutes),
            )
            for name, exchange in self._runner.exchanges.items()
        ]

    async def _markets(self, name: str | None) -> list[Market]:
        return [
            exchange.rules(symbol)
            for exchange in self._chosen(name)
            for symbol in sorted(exchange.symbols)
        ]

    async def _tickers(self, query: TickerQuery) -> list[Ticker]:
        exchanges = self._chosen(query.exchange)
        if query.symbol is not None:
            return [await self._ticker(exchange, query.symbol) for exchange in exchanges]
        found = await asyncio.gather(*(self._ticker_reader.read(one) for one in exchanges))
        return [ticker for tickers in found for ticker in tickers]

    async def _ticker_of(self, symbol: str, name: str | None) -> Ticker:
        return await self._ticker(self._runner.exchange(name), symbol)

    async def _ticker(self, exchange: ConnectedExchange, symbol: str) -> Ticker:
        return await self._ask(
            exchange, symbol, "ticker", lambda: self._ticker_reader.read_one(exchange, symbol)
        )

    async def _candles(self, symbol: str, query: CandleQuery) -> list[list[float]]:
        exchange = self._runner.exchange(query.exchange)
        return await self._ask(
            exchange,
            symbol,
            f"candles {query.interval} {query.limit}",
            lambda: exchange.market.candles(symbol, query.interval, query.limit),
        )

    async def _order_book(self, symbol: str, query: BookQuery) -> OrderBook:
        exchange = self._runner.exchange(query.exchange)
        return await self._ask(
            exchange,
            symbol,
            f"book {query.limit}",
            lambda: _read_book(exchange, symbol, query.limit),
        )

    def _chosen(self, name: str | None) -> list[ConnectedExchange]:
        if name is None:
            return list(self._runner.exchanges.values())
        return [self._runner.exchange(name)]

    async def _ask(
        self,
        exchange: ConnectedExchange,
        symbol: str,
        request: str,
        call: Callable[[], Coroutine[Any, Any, T]],
    ) -> T:
        """Fetch from the exchange, or share the response to a recent identical request."""
        exchange.market.require_symbol(symbol)
        key, now = (exchange.id, symbol, request), time.monotonic()
        asked_at, task = self._answers.get(key, (0.0, None))
        if task is None or now - asked_at > _FRESH_S:
            self._answers = {k: v for k, v in self._answers.items() if now - v[0] <= _FRESH_S}
            task = asyncio.ensure_future(call())
            self._answers[key] = (now, task)
        answer: T = await asyncio.shield(task)
        return answer


_EXCHANGES, _MARKETS = TypeAdapter(list[Exchange]), TypeAdapter(list[Market])
_TICKERS, _CANDLES = TypeAdapter(list[Ticker]), TypeAdapter(list[Candle])


async def _read_book(exchange: ConnectedExchange, symbol: str, limit: int) -> OrderBook:
    received_at = utc_now()
    raw = await exchange.market.order_book(symbol, limit)
    return OrderBook(
        exchange=exchange.name,
        symbol=symbol,
        bids=_levels(raw["bids"], limit),
        asks=_levels(raw["asks"], limit),
        timestamp=exchange_time(raw.get(EXCHANGE_TIME)),
        received_at=received_at,
    )


def _levels(rows: list[list[Any]], limit: int) -> list[BookLevel]:
    return [
        BookLevel(price=decimal_or_none(row[0]) or ZERO, quantity=decimal_or_none(row[1]) or ZERO)
        for row in rows[:limit]
    ]
