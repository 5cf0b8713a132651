"""Observation of what a ccxt client reads: cleaned rows, unreadable ones, times of prices.

The clients are wrapped where OctoBot creates them, so that its own reads count too: its
polls confirm prices, and no row that it cannot read stops it.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from decimal import Decimal
from typing import Any, NamedTuple

from backend.bridge.octobot.account_rows import UnreadableRows
from backend.bridge.octobot.market_rows import (
    clean_book,
    clean_candles,
    clean_ticker,
    clean_trades,
    number_or_none,
)

_ATTRIBUTE = "backend_observations"
_TRADES_LEAD_S = 30.0

# ccxt reads one position by reading all: a row that is left out there would be no position here
_is_nested: ContextVar[bool] = ContextVar("is_nested_read", default=False)


class Quote(NamedTuple):
    """A price that an exchange told beside its trades, and when."""

    price: Decimal
    at: float


class PriceTimes:
    """When each symbol's price was confirmed last, on the monotonic clock; bot's loop only.

    A successful poll confirms a price, also one that has not changed. What an exchange
    pushes unasked confirms it for the time that the exchange names.
    """

    def __init__(self) -> None:
        self._trades: dict[str, float] = {}
        self._quotes: dict[str, Quote] = {}
        self._tickers: dict[str, float] = {}
        self.trades_lead_s = _TRADES_LEAD_S
        """Seconds for which a price of trades goes before a later one of a ticker."""

    def confirm_trades(self, symbol: str, at: float) -> None:
        """Record that the newest trade was told at this time."""
        if at > self._trades.get(symbol, 0.0):
            self._trades[symbol] = at

    def confirm_quote(self, symbol: str, price: Decimal, at: float) -> None:
        """Record a price of a ticker, or a mark price."""
        before = self._quotes.get(symbol)
        if before is None or at >= before.at:
            self._quotes[symbol] = Quote(price, at)

    def age_s(self, symbol: str) -> float | None:
        """Return the seconds since the price was confirmed; None if it never was."""
        quote, at = self._quotes.get(symbol), self._trades.get(symbol, 0.0)
        if quote is not None and quote.at > at:
            at = quote.at
        return time.monotonic() - at if at else None

    def later_quote(self, symbol: str) -> Decimal | None:
        """Return the price of a ticker that is later than the trades by so much that it counts."""
        quote, traded_at = self._quotes.get(symbol), self._trades.get(symbol, 0.0)
        if quote is None or quote.at <= traded_at:
            return None
        return quote.price if time.monotonic() - traded_at > self.trades_lead_s else None

    def note_ticker(self, symbol: str, at: float) -> None:
        """Record that a ticker of the symbol has come, even without a price."""
        self._tickers[symbol] = at

    def has_ticker_since(self, symbol: str, at: float) -> bool:
        """Return whether a ticker of the symbol has come since."""
        return self._tickers.get(symbol, 0.0) >= at


def observe(client: Any) -> None:
    """Wrap the reads of a client that OctoBot has created; does nothing the second time."""
    if hasattr(client, _ATTRIBUTE):
        return
    times, rows = PriceTimes(), UnreadableRows()
    setattr(client, _ATTRIBUTE, (times, rows))
    for name, clean in _CLEANERS.items():
        setattr(client, name, _cleaned(getattr(client, name), clean, times))
    cleaners: dict[str, Callable[[Any], Any]] = {
        "fetch_positions": lambda answer: rows.positions(answer, client),
        "fetch_position": lambda answer: rows.position(answer, client),
        "fetch_balance": rows.balances,
    }
    for name, read_rows in cleaners.items():
        setattr(client, name, _read_rows(getattr(client, name), read_rows))


def price_times(client: Any) -> PriceTimes:
    """Return the times of the prices that a client has read."""
    observe(client)
    times: PriceTimes = getattr(client, _ATTRIBUTE)[0]
    return times


def unreadable_rows(client: Any) -> UnreadableRows:
    """Return the rows of the account that a client could not read."""
    observe(client)
    rows: UnreadableRows = getattr(client, _ATTRIBUTE)[1]
    return rows


def _read_rows(
    read: Callable[..., Awaitable[Any]], clean: Callable[[Any], Any]
) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(read)
    async def cleaned(*args: Any, **kwargs: Any) -> Any:
        if _is_nested.get():
            return await read(*args, **kwargs)
        token = _is_nested.set(True)
        try:
            answer = await read(*args, **kwargs)
        finally:
            _is_nested.reset(token)
        return clean(answer)

    return cleaned


def _cleaned(
    read: Callable[..., Awaitable[Any]], clean: Callable[..., Any], times: PriceTimes
) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(read)
    async def cleaned(*args: Any, **kwargs: Any) -> Any:
        # the answer is of the moment of the request at the earliest, however late it comes
        asked_at = time.monotonic()
        answer = await read(*args, **kwargs)
        symbol = args[0] if args else kwargs.get("symbol")
        return answer if answer is None else clean(answer, symbol, times, asked_at)

    return cleaned


def _candles(rows: Any, _symbol: Any, _times: PriceTimes, _at: float) -> Any:
    return clean_candles(rows)


def _book(raw: Any, _symbol: Any, _times: PriceTimes, _at: float) -> Any:
    return clean_book(raw)


def _trades(rows: Any, symbol: Any, times: PriceTimes, at: float) -> Any:
    trades = clean_trades(rows)
    if symbol is not None and trades:
        times.confirm_trades(symbol, at)
    return trades


def _ticker(raw: Any, symbol: Any, times: PriceTimes, at: float) -> Any:
    ticker = clean_ticker(raw)
    times.note_ticker(symbol, at)
    price = ticker.get("last") or ticker.get("close")
    if number_or_none(price):
        times.confirm_quote(symbol, Decimal(str(price)), at)
    return ticker


def _tickers(raw: Any, _symbols: Any, times: PriceTimes, at: float) -> Any:
    return {
        symbol: _ticker(ticker, symbol, times, at)
        for symbol, ticker in raw.items()
        if isinstance(ticker, dict)
    }


_CLEANERS: dict[str, Callable[..., Any]] = {
    "fetch_ohlcv": _candles,
    "fetch_order_book": _book,
    "fetch_trades": _trades,
    "fetch_ticker": _ticker,
    "fetch_tickers": _tickers,
}
