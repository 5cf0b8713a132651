"""A path that can be taken by the hand: pinned to a price, or moved and let go."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from sys import maxsize
from typing import NamedTuple

import numpy as np

from backend.sandbox.market.noise import Ints
from backend.sandbox.market.path import DURATIONS_MS, Bar, Bars, Path, Trade, merged


class Turn(NamedTuple):
    """From `start_ms` on the price is `pin`, or, without one, the natural price times `factor`."""

    start_ms: int
    factor: float
    pin: float | None

    def price(self, natural: float) -> float:
        """Return the price for a natural one."""
        return natural * self.factor if self.pin is None else self.pin

    def bar(self, natural: Bar) -> Bar:
        """Return the bar for a natural one."""
        first, high, low, last = (self.price(value) for value in natural[:4])
        return Bar(first, high, low, last, natural.volume)


_NATURAL = Turn(-(2**62), 1, None)


class Steered(Path):
    """Another path with turns in it, each beginning with a trade of `turn_volume` steps.

    Turns are appended by one thread at a time, each later than the one before;
    any thread may read meanwhile.
    """

    def __init__(self, natural: Path, turn_volume: int) -> None:
        self._natural = natural
        self._turn_volume = turn_volume
        self._turns: tuple[Turn, ...] = (_NATURAL,)

    @property
    def is_pinned(self) -> bool:
        """Whether the newest turn holds the price still."""
        return self._turns[-1].pin is not None

    def pin(self, at_ms: int, price: float) -> None:
        """Hold a price from an instant on."""
        self._turns = (*self._turns, Turn(at_ms, 1, price))

    def move(self, at_ms: int, price: float) -> None:
        """Jump to a price and go on from there, as the natural path does in proportion."""
        self._turns = (*self._turns, Turn(at_ms, price / self._natural.price(at_ms), None))

    def price(self, at_ms: int) -> float:
        """Return the price in effect at an instant."""
        return self._turn_at(at_ms).price(self._natural.price(at_ms))

    def bars(self, level: int, nodes: Ints) -> Bars:
        """Return whole bars of one level."""
        bars = self._natural.bars(level, nodes)
        first_ms = self._turns[1].start_ms if len(self._turns) > 1 else maxsize
        for row in np.flatnonzero((nodes + 1) * DURATIONS_MS[level] > first_ms):
            natural = Bar(*(column[row].item() for column in bars))
            turned = self._turned(level, int(nodes[row]), natural)
            for column, value in zip(bars, turned, strict=True):
                column[row] = value
        return bars

    def nodes(self, level: int, first: int, end: int) -> list[Bar]:
        """Return neighbouring bars of one level, quickly when they or others near were known."""
        bars = self._natural.nodes(level, first, end)
        if len(self._turns) == 1 or end * DURATIONS_MS[level] <= self._turns[1].start_ms:
            return bars
        return [self._turned(level, number, bar) for number, bar in enumerate(bars, start=first)]

    def span(self, start_ms: int, end_ms: int) -> Bar:
        """Return the bar of any stretch, from the price in effect at its start."""
        return merged(self._pieces(start_ms, end_ms))

    def trades(self, start_ms: int, end_ms: int) -> list[Trade]:
        """Return the trades of a stretch, oldest first."""
        trades = [
            trade._replace(price=self._turn_at(trade.time_ms).price(trade.price))
            for trade in self._natural.trades(start_ms, end_ms)
        ]
        trades += [
            Trade(turn.start_ms, turn.price(self._natural.price(turn.start_ms)), self._turn_volume)
            for turn in self._turns
            if start_ms <= turn.start_ms < end_ms
        ]
        return sorted(trades, key=lambda trade: trade.time_ms)

    def _turned(self, level: int, number: int, natural: Bar) -> Bar:
        start_ms, end_ms = number * DURATIONS_MS[level], (number + 1) * DURATIONS_MS[level]
        turn = self._turn_at(end_ms - 1)
        return turn.bar(natural) if turn.start_ms < start_ms else self.span(start_ms, end_ms)

    def _turn_at(self, at_ms: int) -> Turn:
        turns = self._turns
        return turns[bisect_right(turns, at_ms, key=lambda turn: turn.start_ms) - 1]

    def _pieces(self, start_ms: int, end_ms: int) -> Iterator[Bar]:
        """Yield the bars between turns."""
        turns = self._turns
        ends = [*(turn.start_ms for turn in turns[1:]), end_ms]
        for turn, turn_end_ms in zip(turns, ends, strict=True):
            begin_ms, finish_ms = max(start_ms, turn.start_ms), min(end_ms, turn_end_ms)
            if begin_ms < finish_ms:
                bar = turn.bar(self._natural.span(begin_ms, finish_ms))
                opens = self._turn_volume if turn.start_ms == begin_ms else 0
                yield bar._replace(volume=bar.volume + opens)
