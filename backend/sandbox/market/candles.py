"""Candles of one path and one time frame; closed ones are remembered."""

from __future__ import annotations

import threading

import numpy as np

from backend.sandbox.market.path import DURATIONS_MS, Bar, Path, merged

_REMEMBERED = 2000
# Fewer bars than this are cheaper to read one by one, from the path's own cache.
_FEW_BARS = 64


class CandleSeries:
    """Bar `n` starts `n` frames after 1970. What has closed never changes again."""

    def __init__(self, path: Path, frame_ms: int) -> None:
        self._path = path
        self._frame_ms = frame_ms
        self._level = next(n for n, ms in enumerate(DURATIONS_MS) if frame_ms % ms == 0)
        self._size = frame_ms // DURATIONS_MS[self._level]
        self._lock = threading.Lock()
        self._first = 0
        self._closed: list[Bar] = []

    def bars(self, first: int, last: int, now_ms: int) -> list[Bar]:
        """Return bars number `first` to `last`; the one that `now_ms` lies in is still running."""
        running = now_ms // self._frame_ms
        bars = self._closed_bars(first, min(last + 1, running))
        if last >= running:
            bars.append(self._path.span(running * self._frame_ms, now_ms + 1))
        return bars

    def _closed_bars(self, first: int, end: int) -> list[Bar]:
        with self._lock:
            known_end = self._first + len(self._closed)
            if not self._first <= first <= known_end:
                self._first, self._closed, known_end = first, [], first
            self._closed += self._make(known_end, end)
            bars = self._closed[first - self._first : end - self._first]
            surplus = max(0, len(self._closed) - _REMEMBERED)
            self._first += surplus
            del self._closed[:surplus]
            return bars

    def _make(self, first: int, end: int) -> list[Bar]:
        size = self._size
        if (end - first) * size > _FEW_BARS:
            nodes = np.arange(first * size, end * size)
            return self._path.bars(self._level, nodes).grouped(size).rows()
        bars = self._path.nodes(self._level, first * size, end * size)
        return [merged(bars[start : start + size]) for start in range(0, len(bars), size)]
