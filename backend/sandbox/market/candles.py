"""Candles of the sandbox's symbols, all from one price path per symbol.

A symbol's path is a `CandleTree` (or, for a cross, the ratio of two symbols' paths)
with the price overrides of the sandbox on top. Candles of every time frame, prices,
tickers and trades are read from it, and therefore agree.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from backend.sandbox.market.candle_tree import CandleTree
from backend.sandbox.market.cross_price_path import CrossPricePath
from backend.sandbox.market.listings import Listing, find_listing
from backend.sandbox.market.price_overrides import OverriddenPath
from backend.sandbox.market.price_path import DURATIONS_MS, TICK_MS, Bar, PricePath, merge_bars
from backend.sandbox.market.quotes import DAY_MS, frame_offset_ms

_CACHED_BARS = 2000
# Fewer bars than this are cheaper to read one by one, from the path's own cache.
_FEW_BARS = 64


class Candles:
    """Price paths and candle series of all symbols, built when first used. Thread-safe."""

    def __init__(self, seed: int, speed: float) -> None:
        self._seed = seed
        self._speed = speed
        self._lock = threading.RLock()
        self._paths: dict[str, OverriddenPath] = {}
        self._crosses: list[CrossPricePath] = []
        self._series: dict[tuple[str, int], CandleSeries] = {}

    def path(self, symbol: str) -> OverriddenPath:
        """Return a symbol's price path; a cross builds those of its legs, listed or not."""
        with self._lock:
            if symbol not in self._paths:
                listing = find_listing(symbol)
                tree = CandleTree(self._seed, find_listing(listing.underlying), self._speed)
                trade = int(listing.daily_volume / listing.amount_step) * TICK_MS // DAY_MS
                natural = self._cross(listing, tree) if listing.is_cross else tree
                self._paths[symbol] = OverriddenPath(natural, max(1, trade))
            return self._paths[symbol]

    def bars(
        self, symbol: str, time_frame_ms: int, first: int, last: int, now_ms: int
    ) -> list[Bar]:
        """Return bars number `first` to `last` of a time frame; the present one is running."""
        return self._one_series(symbol, time_frame_ms).bars(first, last, now_ms)

    def override(
        self, symbol: str, at_ms: int, apply: Callable[[OverriddenPath, int], None]
    ) -> None:
        """Override a symbol's price from an instant on; crosses drop their cache from then on."""
        with self._lock:
            apply(self.path(symbol), at_ms)
            for cross in self._crosses:
                cross.invalidate(at_ms)

    def _one_series(self, symbol: str, time_frame_ms: int) -> CandleSeries:
        with self._lock:
            key = (symbol, time_frame_ms)
            if key not in self._series:
                self._series[key] = CandleSeries(self.path(symbol), time_frame_ms)
            return self._series[key]

    def _cross(self, listing: Listing, volume: CandleTree) -> CrossPricePath:
        legs = self.path(f"{listing.base}/USDT"), self.path(f"{listing.quote}/USDT")
        cross = CrossPricePath(*legs, volume)
        self._crosses.append(cross)
        return cross


class CandleSeries:
    """Candles of one path and one time frame, with a cache of closed ones.

    Bar `n` starts `n` time frames after the first of 1970. A closed bar never changes.
    """

    def __init__(self, path: PricePath, frame_ms: int) -> None:
        self._path = path
        self._frame_ms = frame_ms
        self._level = next(n for n, ms in enumerate(DURATIONS_MS) if frame_ms % ms == 0)
        self._size = frame_ms // DURATIONS_MS[self._level]
        self._offset_ms = frame_offset_ms(frame_ms)
        self._offset = self._offset_ms // DURATIONS_MS[self._level]
        self._lock = threading.Lock()
        self._first_cached = 0
        self._cached: list[Bar] = []

    def bars(self, first: int, last: int, now_ms: int) -> list[Bar]:
        """Return bars number `first` to `last`; the one that contains `now_ms` is running."""
        running = (now_ms - self._offset_ms) // self._frame_ms
        bars = self._closed_bars(first, min(last + 1, running))
        if last >= running:
            start_ms = running * self._frame_ms + self._offset_ms
            bars.append(self._path.span(start_ms, now_ms + 1))
        return bars

    def _closed_bars(self, first: int, end: int) -> list[Bar]:
        with self._lock:
            cached_end = self._first_cached + len(self._cached)
            if not self._first_cached <= first <= cached_end:
                self._first_cached, self._cached, cached_end = first, [], first
            self._cached += self._build_bars(cached_end, end)
            bars = self._cached[first - self._first_cached : end - self._first_cached]
            surplus = max(0, len(self._cached) - _CACHED_BARS)
            self._first_cached += surplus
            del self._cached[:surplus]
            return bars

    def _build_bars(self, first: int, end: int) -> list[Bar]:
        size = self._size
        start, stop = first * size + self._offset, end * size + self._offset
        if stop - start > _FEW_BARS:
            numbers = np.arange(start, stop)
            return self._path.bars(self._level, numbers).merge_groups(size).rows()
        bars = self._path.bar_range(self._level, start, stop)
        return [merge_bars(bars[at : at + size]) for at in range(0, len(bars), size)]
