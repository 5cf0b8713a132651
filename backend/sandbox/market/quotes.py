"""Public market data types: candles, tickers, trades, and the time frames of candles."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

MINUTE_MS = 60_000
DAY_MS = 86_400_000
TIME_FRAMES_MS = {
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": 60 * MINUTE_MS,
    "2h": 120 * MINUTE_MS,
    "4h": 240 * MINUTE_MS,
    "6h": 360 * MINUTE_MS,
    "8h": 480 * MINUTE_MS,
    "12h": 720 * MINUTE_MS,
    "1d": DAY_MS,
    "1w": 7 * DAY_MS,
}

_WEEK_MS = TIME_FRAMES_MS["1w"]


def frame_offset_ms(frame_ms: int) -> int:
    """Return when the first candle after 1970 begins: weeks begin on Monday, 1970 on Thursday."""
    return 4 * DAY_MS if frame_ms == _WEEK_MS else 0


class Candle(NamedTuple):
    """One candle; the last one of a series is still running."""

    time_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


class Ticker(NamedTuple):
    """Aggregate of the last 1440 one-minute candles, and the present best bid and ask."""

    time_ms: int
    bid: Decimal
    ask: Decimal
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


class PublicTrade(NamedTuple):
    """One public trade."""

    id: str
    time_ms: int
    side: str
    price: Decimal
    amount: Decimal
