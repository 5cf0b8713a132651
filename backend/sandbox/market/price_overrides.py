"""Price overrides: a path whose price can be pinned, or moved and released."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from sys import maxsize
from typing import NamedTuple

import numpy as np

from backend.sandbox.market.price_path import DURATIONS_MS, Bar, Bars, PricePath, Trade, merge_bars
from backend.sandbox.market.seeded_random import Ints


class PriceOverride(NamedTuple):
    """From `start_ms` on the price is `pin`, or, without one, the natural price times `factor`."""

    start_ms: int
    factor: float
    pin: float | None

    def price(self, natural: float) -> float:
        """Return the overridden price for a natural one."""
        return natural * self.factor if self.pin is None else self.pin

    def bar(self, natural: Bar) -> Bar:
        """Return the overridden bar for a natural one."""
        first, high, low, last = (self.price(value) for value in natural[:4])
        return Bar(first, high, low, last, natural.volume)


_NO_OVERRIDE = PriceOverride(-(2**62), 1, None)


class OverriddenPath(PricePath):
    """A natural path with overrides, each beginning with a trade of `override_volume` steps.

    Overrides are appended by one thread at a time, in chronological order; any thread
    may read meanwhile.
    """

    def __init__(self, natural: PricePath, override_volume: int) -> None:
        self._natural = natural
        self._override_volume = override_volume
        self._overrides: tuple[PriceOverride, ...] = (_NO_OVERRIDE,)

    @property
    def is_pinned(self) -> bool:
        """Whether the newest override pins the price."""
        return self._overrides[-1].pin is not None

    def pin(self, at_ms: int, price: float) -> None:
        """Pin the price from an instant on."""
        self._overrides = (*self._overrides, PriceOverride(at_ms, 1, price))

    def move(self, at_ms: int, price: float) -> None:
        """Jump to a price and follow the natural path in proportion from there."""
        factor = price / self._natural.price(at_ms)
        self._overrides = (*self._overrides, PriceOverride(at_ms, factor, None))

    def price(self, at_ms: int) -> float:
        """Return the price in effect at an instant."""
        return self._override_at(at_ms).price(self._natural.price(at_ms))

    def bars(self, level: int, numbers: Ints) -> Bars:
        """Return whole bars of one level."""
        bars = self._natural.bars(level, numbers)
        first_ms = self._overrides[1].start_ms if len(self._overrides) > 1 else maxsize
        for row in np.flatnonzero((numbers + 1) * DURATIONS_MS[level] > first_ms):
            natural = Bar(*(column[row].item() for column in bars))
            overridden = self._overridden(level, int(numbers[row]), natural)
            for column, value in zip(bars, overridden, strict=True):
                column[row] = value
        return bars

    def bar_range(self, level: int, first: int, end: int) -> list[Bar]:
        """Return consecutive bars of one level, from the natural path's cache."""
        bars = self._natural.bar_range(level, first, end)
        if len(self._overrides) == 1 or end * DURATIONS_MS[level] <= self._overrides[1].start_ms:
            return bars
        return [
            self._overridden(level, number, bar) for number, bar in enumerate(bars, start=first)
        ]

    def span(self, start_ms: int, end_ms: int) -> Bar:
        """Return the bar of any time span, from the price in effect at its start."""
        return merge_bars(self._override_spans(start_ms, end_ms))

    def trades(self, start_ms: int, end_ms: int) -> list[Trade]:
        """Return the trades of a time span, oldest first."""
        trades = [
            trade._replace(price=self._override_at(trade.time_ms).price(trade.price))
            for trade in self._natural.trades(start_ms, end_ms)
        ]
        for override in self._overrides:
            if start_ms <= override.start_ms < end_ms:
                price = override.price(self._natural.price(override.start_ms))
                trades.append(Trade(override.start_ms, price, self._override_volume))
        return sorted(trades, key=lambda trade: trade.time_ms)

    def _overridden(self, level: int, number: int, natural: Bar) -> Bar:
        start_ms, end_ms = number * DURATIONS_MS[level], (number + 1) * DURATIONS_MS[level]
        override = self._override_at(end_ms - 1)
        if override.start_ms < start_ms:
            return override.bar(natural)
        return self.span(start_ms, end_ms)

    def _override_at(self, at_ms: int) -> PriceOverride:
        overrides = self._overrides
        return overrides[bisect_right(overrides, at_ms, key=lambda override: override.start_ms) - 1]

    def _override_spans(self, start_ms: int, end_ms: int) -> Iterator[Bar]:
        """Yield the bars between overrides."""
        overrides = self._overrides
        ends = [*(override.start_ms for override in overrides[1:]), end_ms]
        for override, override_end_ms in zip(overrides, ends, strict=True):
            begin_ms, finish_ms = max(start_ms, override.start_ms), min(end_ms, override_end_ms)
            if begin_ms < finish_ms:
                bar = override.bar(self._natural.span(begin_ms, finish_ms))
                opens = self._override_volume if override.start_ms == begin_ms else 0
                yield bar._replace(volume=bar.volume + opens)
