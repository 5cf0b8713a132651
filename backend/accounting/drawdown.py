"""Maximum drawdown: the largest relative decline of a value from a peak."""

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
        """The decline from peak to trough."""
        return EXACT.subtract(self.peak, self.trough)

    @property
    def ratio(self) -> Decimal:
        """The decline as a fraction of the peak; 1 is all of it."""
        return EXACT.divide(self.amount, self.peak)


def max_drawdown(values: Iterable[tuple[datetime, Decimal]]) -> MaxDrawdown | None:
    """Return the drawdown with the largest ratio to its peak; None if the value never fell.

    `values` are in chronological order. The formula is max over t of
    (max of the values up to t - the value at t) / (max of the values up to t),
    over peaks above zero. Deposits and withdrawals
    count as gain and loss.
    """
    largest: MaxDrawdown | None = None
    peak: tuple[datetime, Decimal] | None = None
    with localcontext(EXACT):
        for moment, value in values:
            if peak is None or value >= peak[1]:
                peak = (moment, value)
                continue
            drawdown = MaxDrawdown(peak[1], peak[0], value, moment)
            # compares amount / peak of both, without dividing
            if drawdown.peak > 0 and (
                largest is None or drawdown.amount * largest.peak > largest.amount * drawdown.peak
            ):
                largest = drawdown
    return largest
