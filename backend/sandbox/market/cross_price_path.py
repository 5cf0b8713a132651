"""Price path of a cross pair: at every instant the ratio of two other paths."""

from __future__ import annotations

import numpy as np

from backend.sandbox.market.price_path import (
    DURATIONS_MS,
    FANOUT,
    TICK_LEVEL,
    TICK_MS,
    Bar,
    Bars,
    PricePath,
    child_numbers,
    merge_bars,
)
from backend.sandbox.market.seeded_random import Floats, Ints

_CACHED_BARS = 4096
# Fewer trades than this are read one by one.
_FEW_TICKS = 256


class CrossPricePath(PricePath):
    """Ratio of two paths, with a volume of its own.

    The extremes of a ratio are not the ratio of extremes. They are searched from long
    bars to short ones, skipping those that cannot contain them.
    """

    def __init__(self, numerator: PricePath, denominator: PricePath, volume: PricePath) -> None:
        self._numerator = numerator
        self._denominator = denominator
        self._volume = volume
        self._cached: dict[tuple[int, int], Bar] = {}
        self._invalidations = 0

    def invalidate(self, since_ms: int) -> None:
        """Drop cached bars since an instant: the price of a leg was overridden then."""
        self._invalidations += 1
        self._cached = {
            (level, number): bar
            for (level, number), bar in list(self._cached.items())
            if (number + 1) * DURATIONS_MS[level] <= since_ms
        }

    def price(self, at_ms: int) -> float:
        """Return the price in effect at an instant."""
        return self._numerator.price(at_ms) / self._denominator.price(at_ms)

    def bars(self, level: int, numbers: Ints) -> Bars:
        """Return whole bars of one level."""
        top, bottom = self._legs(level, numbers)
        high, low = self._extremes(level, numbers)
        volume = self._volume.bars(level, numbers).volume
        return Bars(top.open / bottom.open, high, low, top.close / bottom.close, volume)

    def bar_range(self, level: int, first: int, end: int) -> list[Bar]:
        """Return consecutive bars of one level, from a cache."""
        ticks = DURATIONS_MS[level] // TICK_MS
        if (end - first) * ticks <= _FEW_TICKS:
            bars = self._ticks(first * ticks, end * ticks)
            return [merge_bars(bars[start : start + ticks]) for start in range(0, len(bars), ticks)]
        invalidations, cached = self._invalidations, self._cached
        missing = [number for number in range(first, end) if (level, number) not in cached]
        if missing:
            bars = self.bars(level, np.array(missing)).rows()
            found = {(level, number): bar for number, bar in zip(missing, bars, strict=True)}
            cached = {**cached, **found}
            if invalidations == self._invalidations:
                self._cached = cached if len(cached) < _CACHED_BARS else found
        return [cached[level, number] for number in range(first, end)]

    def _ticks(self, first: int, end: int) -> list[Bar]:
        sources = (self._numerator, self._denominator, self._volume)
        return [
            _tick(top.open / bottom.open, top.close / bottom.close, volume.volume)
            for top, bottom, volume in zip(
                *(path.bar_range(TICK_LEVEL, first, end) for path in sources), strict=True
            )
        ]

    def _legs(self, level: int, numbers: Ints) -> tuple[Bars, Bars]:
        return self._numerator.bars(level, numbers), self._denominator.bars(level, numbers)

    def _extremes(self, level: int, numbers: Ints) -> tuple[Floats, Floats]:
        """Return each bar's highest and lowest ratio."""
        owner = np.arange(numbers.size)
        high, low = np.full(numbers.size, -np.inf), np.full(numbers.size, np.inf)
        while numbers.size:
            top, bottom = self._legs(level, numbers)
            for ratio in (top.open / bottom.open, top.close / bottom.close):
                np.maximum.at(high, owner, ratio)
                np.minimum.at(low, owner, ratio)
            if level == TICK_LEVEL:
                break
            may_be_high = top.high / bottom.low > high[owner]
            may_be_low = top.low / bottom.high < low[owner]
            candidates = may_be_high | may_be_low
            level += 1
            owner = np.repeat(owner[candidates], FANOUT[level])
            numbers = child_numbers(level, numbers[candidates])
        return high, low


def _tick(first: float, last: float, volume: int) -> Bar:
    return Bar(first, max(first, last), min(first, last), last, volume)
