"""The deepest fall of a value below what it had reached before."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal, localcontext
from typing import NamedTuple

from backend.accounting.decimals import EXACT


class MaxDrawdown(NamedTuple):
    """A peak and the lowest value after it."""

    peak: Decimal
    peak_at: datetime
    trough: Decimal
    trough_at: datetime

    @property
    def amount(self) -> Decimal:
        """How far it fell."""
        return EXACT.subtract(self.peak, self.trough)

    @property
    def ratio(self) -> Decimal:
        """The part of the peak that was lost; 1 is all of it."""
        return EXACT.divide(self.amount, self.peak)


def max_drawdown(values: Iterable[tuple[datetime, Decimal]]) -> MaxDrawdown | None:
    """Return the fall that lost the largest part of its peak; None if it never fell.

    `values` are in the order of time. The formula is max over t of
    (max of the values up to t - the value at t) / (max of the values up to t),
    over peaks above zero. It sees values only: money that is paid in or out counts as gain or loss.
    """
    deepest: MaxDrawdown | None = None
    peak: tuple[datetime, Decimal] | None = None
    with localcontext(EXACT):
        for moment, value in values:
            if peak is None or value >= peak[1]:
                peak = (moment, value)
                continue
            fall = MaxDrawdown(peak[1], peak[0], value, moment)
            # fall/peak of both, without dividing
            if fall.peak > 0 and (
                deepest is None or fall.amount * deepest.peak > deepest.amount * fall.peak
            ):
                deepest = fall
    return deepest
