"""Tree of nested bars: a random price path with random access at every time scale.

Days come first: their opens are sums of value noise of doubling periods, which behave
as a random walk. Each day is then split into shorter bars, those into shorter ones,
down to trades: a Brownian bridge from the parent's open to its close, kept within the
parent's range, with one child touching the high and one the low. So a bar is the exact
aggregate of its children, and 500 days cost 500 bars, not forty million trades.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from math import exp, sqrt

import numpy as np
from numpy.typing import NDArray

from backend.sandbox.market.listings import Listing
from backend.sandbox.market.price_path import DURATIONS_MS, FANOUT, TICK_LEVEL, Bar, Bars, PricePath
from backend.sandbox.market.seeded_random import Floats, Ints, RandomBits, RandomStream

_OCTAVES = 10
_CACHED_BLOCKS = 128
# A random walk's range is about 1.6 deviations of its end.
_RANGE_IN_DEVIATIONS = 1.6
_BLOCK = [longer * shorter for longer, shorter in pairwise((1, *FANOUT))]

Columns = tuple[list[float], list[float], list[float], list[float], list[int]]


class CandleTree(PricePath):
    """Price path of one symbol: a pure function of seed, symbol, speed and time."""

    def __init__(self, seed: int, listing: Listing, speed: float) -> None:
        self._listing = listing
        self._speed = speed
        self._daily_steps = int(listing.daily_volume / listing.amount_step)
        self._deviation = listing.daily_volatility * sqrt(min(speed, 2 ** (_OCTAVES - 1)))
        self._octaves = RandomStream(seed, f"{listing.symbol}/octaves")
        self._levels = [RandomStream(seed, f"{listing.symbol}/{ms}ms") for ms in DURATIONS_MS]
        self._block = lru_cache(_CACHED_BLOCKS)(self._make_block)

    def bars(self, level: int, numbers: Ints) -> Bars:
        """Return whole bars of one level."""
        if level == 0:
            return self._days(numbers)
        parents, family = np.unique(numbers // FANOUT[level], return_inverse=True)
        children = self._split(level, parents, self.bars(level - 1, parents))
        return children.take(family * FANOUT[level] + numbers % FANOUT[level])

    def bar_range(self, level: int, first: int, end: int) -> list[Bar]:
        """Return consecutive bars of one level, from a cache of blocks."""
        size, bars = _BLOCK[level], list[Bar]()
        while first < end:
            number, start = divmod(first, size)
            stop = min(size, start + end - first)
            bars += map(Bar, *(column[start:stop] for column in self._block(level, number)))
            first += stop - start
        return bars

    def _make_block(self, level: int, number: int) -> Columns:
        """Return all grandchildren of one bar: splitting several costs as much as splitting one.

        As columns, not bars, which keeps the number of objects for garbage collection low.
        """
        if level == 0:
            return _columns(self._days(np.array([number])))
        parents = np.arange(number * FANOUT[level - 1], (number + 1) * FANOUT[level - 1])
        bars = self.bar_range(level - 1, int(parents[0]), int(parents[-1]) + 1)
        columns = Bars(*(np.array(column) for column in zip(*bars, strict=True)))
        return _columns(self._split(level, parents, columns))

    def _days(self, days: Ints) -> Bars:
        draw = self._levels[0].draw(days)
        start, end = np.split(self._log_price(np.concatenate([days, days + 1])), 2)
        change, deviation = end - start, self._deviation
        high = np.maximum(start, end) + _bridge_excess(draw.exponential(1), change, deviation)
        low = np.minimum(start, end) - _bridge_excess(draw.exponential(2), change, deviation)
        opens, highs, lows, closes = (
            np.array([self._listing.reference_price * exp(value) for value in column])
            for column in (start, high, low, end)
        )
        highs = np.maximum(highs, np.maximum(opens, closes))
        lows = np.minimum(lows, np.minimum(opens, closes))
        volumes = self._daily_steps * (2048 + draw.integer(3)) // 4096
        return Bars(opens, highs, lows, closes, volumes)

    def _log_price(self, days: Ints) -> Floats:
        """Return the sum of noise of periods 1, 2, 4, … days, with a random walk's amplitudes."""
        octaves = np.arange(_OCTAVES)
        position = days[:, None] * self._speed / 2**octaves
        left = np.floor(position)
        fraction = position - left
        knots = left.astype(np.int64) * _OCTAVES + octaves
        before, after = self._octaves.draw(np.stack([knots, knots + _OCTAVES])).normal(0)
        values = before * (1 - fraction) + after * fraction
        amplitudes = self._listing.daily_volatility / 2 * np.sqrt(2**octaves)
        total: Floats = np.cumsum(values * amplitudes, axis=1)[:, -1]
        return total

    def _split(self, level: int, parents: Ints, bars: Bars) -> Bars:
        draw = self._levels[level].draw(parents[:, None] * FANOUT[level] + np.arange(FANOUT[level]))
        volumes = _split_volume(bars.volume, 1024 + draw.integer(3))
        if level == TICK_LEVEL:
            prices = _ticks_of_second(bars, draw.integer(0)[:, 0] % 2 == 1)
            return Bars(prices, prices, prices, prices, volumes)
        return Bars(*_brownian_bridge(bars, draw, FANOUT[level]), volumes)


def _columns(bars: Bars) -> Columns:
    return (
        bars.open.tolist(),
        bars.high.tolist(),
        bars.low.tolist(),
        bars.close.tolist(),
        bars.volume.tolist(),
    )


def _brownian_bridge(
    bars: Bars, draw: RandomBits, fanout: int
) -> tuple[Floats, Floats, Floats, Floats]:
    first, high, low, last = (column[:, None] for column in bars[:4])
    deviation = (high - low) / (_RANGE_IN_DEVIATIONS * sqrt(fanout))
    walk = np.cumsum(draw.normal(0), axis=1) * deviation
    done = np.arange(1, fanout) / fanout
    bridge = first + walk[:, :-1] - done * (walk[:, -1:] - (last - first))
    bridge = np.where(bridge > high, 2 * high - bridge, bridge)
    bridge = np.where(bridge < low, 2 * low - bridge, bridge)
    edges = np.hstack([first, np.clip(bridge, low, high), last])
    opens, closes = edges[:, :-1], edges[:, 1:]
    rise = _bridge_excess(draw.exponential(1), closes - opens, deviation)
    fall = _bridge_excess(draw.exponential(2), closes - opens, deviation)
    highs = np.minimum(np.maximum(opens, closes) + rise, high)
    lows = np.maximum(np.minimum(opens, closes) - fall, low)
    rows = np.arange(len(edges))
    highs[rows, highs.argmax(axis=1)] = bars.high
    lows[rows, lows.argmin(axis=1)] = bars.low
    return opens.ravel(), highs.ravel(), lows.ravel(), closes.ravel()


def _ticks_of_second(bars: Bars, rises_first: NDArray[np.bool_]) -> Floats:
    """Return the prices of a second's four trades: open, the extremes in either order, close."""
    second = np.where(rises_first, bars.high, bars.low)
    third = np.where(rises_first, bars.low, bars.high)
    return np.column_stack([bars.open, second, third, bars.close]).ravel()


def _split_volume(volume: Ints, weights: Ints) -> Ints:
    """Split each parent's volume among its children, exactly."""
    bounds = np.cumsum(weights, axis=1)
    bounds = volume[:, None] * bounds // bounds[:, -1:]
    return np.diff(bounds, axis=1, prepend=0).ravel()


def _bridge_excess(draw: Floats, change: Floats, deviation: Floats | float) -> Floats:
    """Return how far a Brownian bridge exceeds its higher end, by inverse sampling."""
    result: Floats = (np.sqrt(change**2 + 2 * deviation**2 * draw) - np.abs(change)) / 2
    return result
