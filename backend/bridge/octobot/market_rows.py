"""Cleaning of market data that a ccxt client returns: rows sorted, unique and readable."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import ccxt

_TICKER_PRICES = ("last", "close", "bid", "ask", "open", "high", "low")
_TICKER_NUMBERS = (
    *("bidVolume", "askVolume", "vwap", "previousClose", "change", "percentage", "average"),
    *("baseVolume", "quoteVolume", "timestamp"),
)
_CANDLE_COLUMNS = 6
_PRICES_IN_CANDLE = slice(1, 5)

EXCHANGE_TIME = "exchange_time"
"""Key of a book's time as the exchange named it: OctoBot fills `timestamp` in by its own clock."""

Row = dict[str, Any]


def clean_candles(rows: Iterable[Any] | None) -> list[list[float]]:
    """Return candles by time, each time once; of two rows of a time, the later one.

    A row without its time or one of its prices is dropped. An unknown volume is NaN: it
    is no zero, and OctoBot's arrays hold no None. Further columns are cut off.
    """
    by_time = {}
    for row in rows or ():
        candle = _candle(row)
        if candle is not None:
            by_time[candle[0]] = candle
    return [by_time[time] for time in sorted(by_time)]


def clean_book(raw: Row) -> Row:
    """Return an order book, best levels first; raises ccxt's `BadResponse` if it is crossed.

    A level without a price or a quantity above zero is dropped, and of two levels of one
    price the earlier one.
    """
    bids = clean_levels(raw.get("bids"), descending=True)
    asks = clean_levels(raw.get("asks"), descending=False)
    if is_crossed(bids, asks):
        raise ccxt.BadResponse("the order book is crossed: its best bid is not below its best ask")
    return {**raw, "bids": bids, "asks": asks, EXCHANGE_TIME: raw.get("timestamp")}


def clean_levels(rows: Iterable[Any] | None, *, descending: bool) -> list[list[Any]]:
    """Return the levels of one side, best first, with price and quantity alone."""
    by_price = {}
    for row in rows or ():
        if isinstance(row, Sequence) and not isinstance(row, str) and len(row) > 1:
            price, quantity = number_or_none(row[0]), number_or_none(row[1])
            if price is not None and quantity is not None and price > 0 and quantity > 0:
                by_price[price] = [row[0], row[1]]
    return [by_price[price] for price in sorted(by_price, reverse=descending)]


def is_crossed(bids: Sequence[Sequence[Any]], asks: Sequence[Sequence[Any]]) -> bool:
    """Return whether the best bid is not below the best ask, which no exchange lets stand."""
    return bool(bids and asks) and float(bids[0][0]) >= float(asks[0][0])


def clean_trades(rows: Iterable[Any] | None) -> list[Row]:
    """Return public trades by time; one without a time or a price above zero is dropped."""
    known: dict[Any, Row] = {}
    for index, row in enumerate(rows or ()):
        if isinstance(row, dict) and _has_price_and_time(row):
            known[row.get("id") or index] = row
    return sorted(known.values(), key=lambda row: float(row["timestamp"]))


def clean_ticker(raw: Row) -> Row:
    """Return a ticker whose figures are numbers or None; prices are above zero."""
    cleaned = {**raw}
    for name in _TICKER_NUMBERS:
        if name in raw and number_or_none(raw[name]) is None:
            cleaned[name] = None
    for name in _TICKER_PRICES:
        number = number_or_none(raw.get(name))
        if name in raw and (number is None or number <= 0):
            cleaned[name] = None
    return cleaned


def number_or_none(value: Any) -> float | None:
    """Return a finite number, or None for anything that is none."""
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _candle(row: Any) -> list[float] | None:
    if not isinstance(row, Sequence) or isinstance(row, str) or len(row) < _CANDLE_COLUMNS - 1:
        return None
    time, prices = number_or_none(row[0]), [number_or_none(n) for n in row[_PRICES_IN_CANDLE]]
    if time is None or time <= 0:
        return None
    known = [price for price in prices if price is not None and price > 0]
    if len(known) < len(prices):
        return None
    volume = number_or_none(row[5]) if len(row) >= _CANDLE_COLUMNS else None
    return [int(time), *known, math.nan if volume is None or volume < 0 else volume]


def _has_price_and_time(row: Row) -> bool:
    price, time = number_or_none(row.get("price")), number_or_none(row.get("timestamp"))
    return price is not None and price > 0 and time is not None and time > 0
