"""Price paths as nested bars, from days down to single trades.

A path is a step function: it trades once in each tick of 250 ms, and the price
between two trades is that of the earlier one. Every bar is made of the `FANOUT`
bars of the next level below it, so any time span is a handful of bars.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from backend.sandbox.market.seeded_random import Floats, Ints

_SECOND_MS, _MINUTE_MS, _HOUR_MS = 1_000, 60_000, 3_600_000
DURATIONS_MS = (
    24 * _HOUR_MS,
    4 * _HOUR_MS,
    _HOUR_MS,
    15 * _MINUTE_MS,
    5 * _MINUTE_MS,
    _MINUTE_MS,
    15 * _SECOND_MS,
    5 * _SECOND_MS,
    _SECOND_MS,
    _SECOND_MS // 4,
)
FANOUT = (1, *(longer // shorter for longer, shorter in pairwise(DURATIONS_MS)))
TICK_LEVEL = len(DURATIONS_MS) - 1
TICK_MS = DURATIONS_MS[TICK_LEVEL]
_TICKS = [duration // TICK_MS for duration in DURATIONS_MS]


class Bar(NamedTuple):
    """Open, high, low and close of a time span; the volume counts amount steps."""

    open: float
    high: float
    low: float
    close: float
    volume: int


class Bars(NamedTuple):
    """Many bars, as columns."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Ints

    def take(self, rows: Ints) -> Bars:
        """Select rows by number."""
        return Bars(
            self.open[rows], self.high[rows], self.low[rows], self.close[rows], self.volume[rows]
        )

    def rows(self) -> list[Bar]:
        """Return all rows as plain numbers."""
        return [Bar(*row) for row in zip(*(column.tolist() for column in self), strict=True)]

    def merge_groups(self, size: int) -> Bars:
        """Merge each group of `size` consecutive bars into one."""
        return Bars(
            self.open[::size],
            self.high.reshape(-1, size).max(axis=1),
            self.low.reshape(-1, size).min(axis=1),
            self.close[size - 1 :: size],
            self.volume.reshape(-1, size).sum(axis=1),
        )


class Trade(NamedTuple):
    """One trade of the path."""

    time_ms: int
    price: float
    volume: int


def merge_bars(bars: Iterable[Bar]) -> Bar:
    """Merge consecutive bars, in chronological order, into one."""
    opens, highs, lows, closes, volumes = zip(*bars, strict=True)
    return Bar(opens[0], max(highs), min(lows), closes[-1], sum(volumes))


def child_numbers(level: int, numbers: Ints) -> Ints:
    """Return the numbers of the bars of `level` that lie inside `bar_range` of the level above."""
    fanout = FANOUT[level]
    return (numbers[:, None] * fanout + np.arange(fanout)).ravel()


class PricePath(ABC):
    """A price as a function of time; bar `n` of a level starts `n` durations after 1970."""

    @abstractmethod
    def bars(self, level: int, numbers: Ints) -> Bars:
        """Return whole bars of one level."""

    @abstractmethod
    def bar_range(self, level: int, first: int, end: int) -> list[Bar]:
        """Return consecutive bars of one level, from a cache where there is one."""

    def bar(self, level: int, number: int) -> Bar:
        """Return one whole bar."""
        return self.bar_range(level, number, number + 1)[0]

    def price(self, at_ms: int) -> float:
        """Return the price in effect at an instant."""
        return self.bar(TICK_LEVEL, at_ms // TICK_MS).close

    def span(self, start_ms: int, end_ms: int) -> Bar:
        """Return the bar of any time span, from the price in effect at its start.

        The volume is that of the trades within, so consecutive spans add up.
        """
        first, end = start_ms // TICK_MS, -(-end_ms // TICK_MS)
        ranges = _covering_bars(first, end)
        bar = merge_bars(bar for each in ranges for bar in self.bar_range(*each))
        if start_ms % TICK_MS:
            bar = bar._replace(volume=bar.volume - self.bar(TICK_LEVEL, first).volume)
        return bar

    def trades(self, start_ms: int, end_ms: int) -> list[Trade]:
        """Return the trades of a time span, oldest first."""
        first, end = -(-start_ms // TICK_MS), -(-end_ms // TICK_MS)
        bars = self.bar_range(TICK_LEVEL, first, end) if first < end else []
        return [
            Trade(number * TICK_MS, bar.open, bar.volume)
            for number, bar in enumerate(bars, start=first)
        ]


def _covering_bars(first_tick: int, end_tick: int) -> Iterator[tuple[int, int, int]]:
    """Yield the fewest bars that make up these ticks, as (level, first node, end node)."""
    while first_tick < end_tick:
        level, ticks = next(
            (level, ticks)
            for level, ticks in enumerate(_TICKS)
            if first_tick % ticks == 0 and first_tick + ticks <= end_tick
        )
        parent_end = (first_tick // _TICKS[level - 1] + 1) * _TICKS[level - 1]
        run_end = end_tick if level == 0 else min(end_tick, parent_end)
        yield level, first_tick // ticks, run_end // ticks
        first_tick = run_end // ticks * ticks
