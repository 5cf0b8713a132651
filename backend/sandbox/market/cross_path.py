"""The path of a cross: at every instant the ratio of two other paths."""

from __future__ import annotations

import numpy as np

from backend.sandbox.market.noise import Floats, Ints
from backend.sandbox.market.path import (
    DURATIONS_MS,
    FANOUT,
    TICK_LEVEL,
    TICK_MS,
    Bar,
    Bars,
    Path,
    children_of,
    merged,
)

_REMEMBERED_NODES = 4096
# Fewer trades than this are read one by one.
_FEW_TICKS = 256


class CrossPath(Path):
    """Numerator over denominator, with a volume of its own.

    The extremes of a ratio are not the ratio of extremes. They are searched
    for from long bars to short ones, leaving out those that cannot hold them.
    """

    def __init__(self, numerator: Path, denominator: Path, volume: Path) -> None:
        self._numerator = numerator
        self._denominator = denominator
        self._volume = volume
        self._known: dict[tuple[int, int], Bar] = {}
        self._turns = 0

    def forget(self, since_ms: int) -> None:
        """Drop what was remembered of the time since an instant: a leg has turned then."""
        self._turns += 1
        self._known = {
            (level, number): bar
            for (level, number), bar in list(self._known.items())
            if (number + 1) * DURATIONS_MS[level] <= since_ms
        }

    def price(self, at_ms: int) -> float:
        """Return the price in effect at an instant."""
        return self._numerator.price(at_ms) / self._denominator.price(at_ms)

    def bars(self, level: int, nodes: Ints) -> Bars:
        """Return whole bars of one level."""
        top, bottom = self._legs(level, nodes)
        high, low = self._extremes(level, nodes)
        volume = self._volume.bars(level, nodes).volume
        return Bars(top.open / bottom.open, high, low, top.close / bottom.close, volume)

    def nodes(self, level: int, first: int, end: int) -> list[Bar]:
        """Return neighbouring bars of one level, quickly when they were known."""
        ticks = DURATIONS_MS[level] // TICK_MS
        if (end - first) * ticks <= _FEW_TICKS:
            bars = self._ticks(first * ticks, end * ticks)
            return [merged(bars[start : start + ticks]) for start in range(0, len(bars), ticks)]
        turns, known = self._turns, self._known
        missing = [node for node in range(first, end) if (level, node) not in known]
        if missing:
            bars = self.bars(level, np.array(missing)).rows()
            found = {(level, node): bar for node, bar in zip(missing, bars, strict=True)}
            known = {**known, **found}
            if turns == self._turns:
                self._known = known if len(known) < _REMEMBERED_NODES else found
        return [known[level, node] for node in range(first, end)]

    def _ticks(self, first: int, end: int) -> list[Bar]:
        sources = (self._numerator, self._denominator, self._volume)
        return [
            _tick(top.open / bottom.open, top.close / bottom.close, volume.volume)
            for top, bottom, volume in zip(
                *(path.nodes(TICK_LEVEL, first, end) for path in sources), strict=True
            )
        ]

    def _legs(self, level: int, nodes: Ints) -> tuple[Bars, Bars]:
        return self._numerator.bars(level, nodes), self._denominator.bars(level, nodes)

    def _extremes(self, level: int, nodes: Ints) -> tuple[Floats, Floats]:
        """Return each bar's highest and lowest ratio."""
        owner = np.arange(nodes.size)
        high, low = np.full(nodes.size, -np.inf), np.full(nodes.size, np.inf)
        while nodes.size:
            top, bottom = self._legs(level, nodes)
            for ratio in (top.open / bottom.open, top.close / bottom.close):
                np.maximum.at(high, owner, ratio)
                np.minimum.at(low, owner, ratio)
            if level == TICK_LEVEL:
                break
            may_be_high = top.high / bottom.low > high[owner]
            may_be_low = top.low / bottom.high < low[owner]
            hopeful = may_be_high | may_be_low
            level += 1
            owner = np.repeat(owner[hopeful], FANOUT[level])
            nodes = children_of(level, nodes[hopeful])
        return high, low


def _tick(first: float, last: float, volume: int) -> Bar:
    return Bar(first, max(first, last), min(first, last), last, volume)
