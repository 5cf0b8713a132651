"""Tickers of an exchange's symbols, each with its own outcome."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from backend.bridge.octobot.conversion import decimal_or_none, utc
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.octobot.market_rows import number_or_none
from backend.errors import BridgeError, SymbolNotTraded
from backend.schemas.common import utc_now
from backend.schemas.markets import Ticker, TickerProblem

_MOST_SINGLE = 5  # more concurrent requests would reach the rate limits of exchanges
_KEYS = ("last", "close", "bid", "ask", "open", "high", "low", "baseVolume", "percentage")
_NO_FIGURES: Mapping[str, Any] = {}
_MILLISECONDS_FROM = 1e11

log = logging.getLogger(__name__)


class TickerReader:
    """Reads tickers: one request for many symbols where the exchange can, else some at a time."""

    async def read(self, exchange: Exchange) -> list[Ticker]:
        """Return a ticker of each followed symbol, or the problem with it.

        Raises the exchange's error when no symbol has a ticker, and that is no symbol's fault.
        """
        symbols = sorted(exchange.symbols)
        if len(symbols) >= _MOST_SINGLE and exchange.market.has_all_tickers:
            outcomes = await self._read_many(exchange, symbols)
        else:
            outcomes = await self._read_each(exchange, symbols)
        errors = [outcome for outcome in outcomes if isinstance(outcome, BridgeError)]
        if len(errors) == len(symbols):
            for error in errors:
                if not isinstance(error, SymbolNotTraded):
                    raise error
        return [
            _without_figures(exchange.name, symbol, outcome)
            if isinstance(outcome, BridgeError)
            else outcome
            for symbol, outcome in zip(symbols, outcomes, strict=True)
        ]

    async def read_one(self, exchange: Exchange, symbol: str) -> Ticker:
        """Return one ticker; raises the exchange's error."""
        received_at = utc_now()
        raw = await exchange.market.ticker(symbol)
        return _ticker(exchange.name, symbol, raw, received_at)

    async def _read_many(
        self, exchange: Exchange, symbols: Sequence[str]
    ) -> list[Ticker | BridgeError]:
        """Read them in one request; an exchange may refuse it for one symbol it has delisted."""
        received_at, found = utc_now(), None
        for wanted in (symbols, None):
            try:
                found = await exchange.market.tickers(wanted)
                break
            except SymbolNotTraded as error:
                log.info("tickers of %s cannot be read together: %s", exchange.name, error.details)
        if found is None:
            return await self._read_each(exchange, symbols)
        return [
            _ticker(exchange.name, symbol, found[symbol], received_at)
            if symbol in found
            else SymbolNotTraded(f"{exchange.name} tells no ticker of {symbol}")
            for symbol in symbols
        ]

    async def _read_each(
        self, exchange: Exchange, symbols: Sequence[str]
    ) -> list[Ticker | BridgeError]:
        limit = asyncio.Semaphore(_MOST_SINGLE)

        async def read(symbol: str) -> Ticker | BridgeError:
            async with limit:
                try:
                    return await self.read_one(exchange, symbol)
                except BridgeError as error:
                    return error

        return list(await asyncio.gather(*map(read, symbols)))


def exchange_time(timestamp: Any) -> datetime | None:
    """Return the time that an exchange names, in seconds or milliseconds; None if it is none."""
    number = number_or_none(timestamp)
    if not number or number < 0:
        return None
    try:
        return utc(seconds(number))
    except (OverflowError, ValueError, OSError):
        return None


def seconds(timestamp: float) -> float:
    """Convert a time to seconds: exchanges' adapters leave some in milliseconds."""
    return timestamp / 1000 if timestamp > _MILLISECONDS_FROM else float(timestamp)


def _ticker(exchange: str, symbol: str, raw: Mapping[str, Any], received_at: datetime) -> Ticker:
    number = {key: decimal_or_none(raw.get(key)) for key in _KEYS}
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
        timestamp=exchange_time(raw.get("timestamp")),
        received_at=received_at,
        problem=None,
    )


def _without_figures(exchange: str, symbol: str, error: BridgeError) -> Ticker:
    problem = TickerProblem(
        code=error.status, type=error.type, error=error.title, details=error.details
    )
    ticker = _ticker(exchange, symbol, _NO_FIGURES, utc_now())
    return ticker.model_copy(update={"problem": problem})


def _rounded_percent(value: Decimal | None) -> Decimal | None:
    """Return a percentage rounded to its meaningful digits: exchanges send a float's."""
    return None if value is None else value.quantize(Decimal("1E-4"))
