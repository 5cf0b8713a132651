"""Exchanges, markets, tickers, candles and order books."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from decimal import Decimal
from typing import Any

import octobot_trading.errors as trading_errors
from octobot_commons.enums import TimeFrames, TimeFramesMinutes
from pydantic import TypeAdapter

from backend.bridge.octobot.conversion import ZERO, decimal_or_none, utc
from backend.bridge.octobot.trading_rules import read_rules
from backend.bridge.read_models.ttl_cache import TtlCache
from backend.bridge.runtime.runner import BotRunner
from backend.errors import ExchangeUnreachable, InvalidSymbol
from backend.ports.serialized import SerializedResponse
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

_FRESH_S = 0.5
_ASKED_TOGETHER = 5  # so many questions at once would meet the rate limits of exchanges


class Markets:
    """What the exchanges offer and quote; answers of the exchange are shared for half a second."""

    def __init__(self, runner: BotRunner, trading: str) -> None:
        self._runner = runner
        self._trading = trading
        self._recent = TtlCache(_FRESH_S)
        self._answers: dict[tuple[Any, ...], tuple[float, asyncio.Task[Any]]] = {}

    def exchanges(self) -> list[Exchange]:
        """Return the exchanges that the bot is connected to."""
        return self._runner.executor.run(self._exchanges)

    def listed_exchanges(self) -> SerializedResponse:
        """Return the same as it leaves the server."""
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
            return _TICKERS.dump_json([_ticker(*row) for row in found])

        return self._read(("tickers", query), ask)

    def ticker(self, symbol: str, exchange: str | None) -> SerializedResponse:
        """Return one ticker."""

        def ask() -> bytes:
            found = self._runner.executor.run(self._ticker_of, symbol, exchange)
            return _ticker(*found).model_dump_json().encode()

        return self._read(("ticker", symbol, exchange), ask)

    def candles(self, symbol: str, query: CandleQuery) -> SerializedResponse:
        """Return the newest candles, oldest first; the last one is still running."""

        def ask() -> bytes:
            rows = self._runner.executor.run(self._candles, symbol, query)
            return _CANDLES.dump_json(_candles(rows[-query.limit :], query.interval))

        return self._read(("candles", symbol, query), ask)

    def order_book(self, symbol: str, query: BookQuery) -> SerializedResponse:
        """Return the best levels of both sides."""

        def ask() -> bytes:
            exchange, raw = self._runner.executor.run(self._order_book, symbol, query)
            book = OrderBook(
                exchange=exchange,
                symbol=symbol,
                bids=_levels(raw["bids"], query.limit),
                asks=_levels(raw["asks"], query.limit),
            )
            return book.model_dump_json().encode()

        return self._read(("book", symbol, query), ask)

    def _read(self, question: Hashable, ask: Callable[[], bytes]) -> SerializedResponse:
        """Return an answer, made into models and JSON by its caller: the loop has better to do."""
        self._runner.executor.require_ready()
        return self._recent.get(question, ask)

    # ---- on the bot's loop

    async def _exchanges(self) -> list[Exchange]:
        return [
            Exchange(
                id=name,
                name=manager.exchange.connector.client.name or name,
                trading="real" if self._trading == "real" else "paper",
                type="future" if manager.is_future else "spot",
                ready=manager.is_ready,
                symbols=sorted(manager.exchange_config.traded_symbol_pairs),
                intervals=sorted(manager.client_time_frames, key=_interval_minutes),
            )
            for name, manager in self._runner.exchanges.items()
        ]

    async def _markets(self, exchange: str | None) -> list[Market]:
        return [
            read_rules(manager, symbol)
            for manager in self._chosen(exchange)
            for symbol in sorted(manager.exchange_config.traded_symbol_pairs)
        ]

    async def _tickers(self, query: TickerQuery) -> list[_RawTicker]:
        managers = self._chosen(query.exchange)
        if query.symbol is not None:
            return [await self._ticker(manager, query.symbol) for manager in managers]
        found = await asyncio.gather(*map(self._tickers_of, managers))
        return [ticker for tickers in found for ticker in tickers]

    async def _tickers_of(self, manager: Any) -> list[_RawTicker]:
        symbols = sorted(manager.exchange_config.traded_symbol_pairs)
        if len(symbols) < _ASKED_TOGETHER or not manager.exchange.connector.client.has.get(
            "fetchTickers"
        ):
            return list(await asyncio.gather(*(self._ticker(manager, one) for one in symbols)))
        raw = await self._ask(
            manager,
            symbols[0],
            "tickers",
            lambda: manager.exchange.get_all_currencies_price_ticker(symbols=symbols),
        )
        return [(manager.exchange_name, one, raw[one]) for one in symbols if one in raw]

    async def _ticker_of(self, symbol: str, exchange: str | None) -> _RawTicker:
        return await self._ticker(self._runner.exchange(exchange), symbol)

    async def _ticker(self, manager: Any, symbol: str) -> _RawTicker:
        raw = await self._ask(
            manager, symbol, "ticker", lambda: manager.exchange.get_price_ticker(symbol)
        )
        return manager.exchange_name, symbol, raw

    async def _candles(self, symbol: str, query: CandleQuery) -> list[list[float]]:
        manager = self._runner.exchange(query.exchange)
        frame = TimeFrames(query.interval)
        rows: list[list[float]] = await self._ask(
            manager,
            symbol,
            f"candles {query.interval} {query.limit}",
            lambda: manager.exchange.get_symbol_prices(symbol, frame, limit=query.limit),
        )
        return rows

    async def _order_book(self, symbol: str, query: BookQuery) -> tuple[str, dict[str, Any]]:
        manager = self._runner.exchange(query.exchange)
        raw = await self._ask(
            manager,
            symbol,
            f"book {query.limit}",
            lambda: manager.exchange.get_order_book(symbol, limit=query.limit),
        )
        return manager.exchange_name, raw

    def _chosen(self, exchange: str | None) -> list[Any]:
        if exchange is None:
            return list(self._runner.exchanges.values())
        return [self._runner.exchange(exchange)]

    async def _ask(
        self, manager: Any, symbol: str, what: str, call: Callable[[], Awaitable[Any]]
    ) -> Any:
        """Ask the exchange, or share the answer to the same question asked a moment ago."""
        if symbol not in manager.exchange_config.traded_symbol_pairs:
            raise InvalidSymbol(f"{symbol} is not traded on {manager.exchange_name}")
        key, now = (manager.id, symbol, what), time.monotonic()
        asked_at, task = self._answers.get(key, (0.0, None))
        if task is None or now - asked_at > _FRESH_S:
            self._answers = {k: v for k, v in self._answers.items() if now - v[0] <= _FRESH_S}
            task = asyncio.ensure_future(call())
            self._answers[key] = (now, task)
        try:
            return await asyncio.shield(task)
        except trading_errors.NotSupported:
            raise ExchangeUnreachable(f"{manager.exchange_name} does not offer this") from None
        except trading_errors.OctoBotExchangeError:
            raise ExchangeUnreachable(f"{manager.exchange_name} does not answer") from None


_RawTicker = tuple[str, str, dict[str, Any]]
_EXCHANGES, _MARKETS = TypeAdapter(list[Exchange]), TypeAdapter(list[Market])
_TICKERS, _CANDLES = TypeAdapter(list[Ticker]), TypeAdapter(list[Candle])
_TICKER_KEYS = ("last", "close", "bid", "ask", "open", "high", "low", "baseVolume", "percentage")


def _ticker(exchange: str, symbol: str, raw: dict[str, Any]) -> Ticker:
    number = {key: decimal_or_none(raw.get(key)) for key in _TICKER_KEYS}
    timestamp = raw.get("timestamp")
    return Ticker(
        exchange=exchange,
        symbol=symbol,
        price=number["close"] if number["last"] is None else number["last"],
        bid=number["bid"],
        ask=number["ask"],
        open=number["open"],
        high=number["high"],
        low=number["low"],
        volume=number["baseVolume"],
        change_percent=_rounded_percent(number["percentage"]),
        timestamp=utc(_seconds(timestamp) if timestamp else time.time()),
    )


def _candles(rows: list[list[float]], interval: str) -> list[Candle]:
    length_s, now = _interval_minutes(interval) * 60, time.time()
    return [
        Candle(
            time=utc(_seconds(start)),
            open=decimal_or_none(first) or ZERO,
            high=decimal_or_none(high) or ZERO,
            low=decimal_or_none(low) or ZERO,
            close=decimal_or_none(last) or ZERO,
            volume=decimal_or_none(volume) or ZERO,
            closed=_seconds(start) + length_s <= now,
        )
        for start, first, high, low, last, volume in rows
    ]


def _levels(rows: list[list[Any]], limit: int) -> list[BookLevel]:
    return [
        BookLevel(price=decimal_or_none(row[0]) or ZERO, quantity=decimal_or_none(row[1]) or ZERO)
        for row in rows[:limit]
    ]


def _rounded_percent(value: Decimal | None) -> Decimal | None:
    """Return a percentage with the digits that mean something: exchanges send a float's."""
    return None if value is None else value.quantize(Decimal("1E-4"))


def _interval_minutes(interval: str) -> int:
    return int(TimeFramesMinutes[TimeFrames(interval)])


def _seconds(timestamp: float) -> float:
    """Return seconds: exchanges' adapters leave some of their times in milliseconds."""
    return timestamp / 1000 if timestamp > 1e11 else float(timestamp)
