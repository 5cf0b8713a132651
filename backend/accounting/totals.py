"""Sums over booked executions: gain, fees, win rate."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, localcontext

from backend.accounting.books import Booked
from backend.accounting.exact import EXACT, ZERO


class Totals:
    """What some of a book's executions add up to, in its quote asset.

    `fees` are by currency; `fee_value` is the part of them that is in base or
    quote, each at its execution's own price, and `other_fees` the rest.
    """

    def __init__(self, booked: Iterable[Booked] = ()) -> None:
        self.trades = 0
        self.realized = ZERO
        self.unmatched = ZERO
        self.fee_value = ZERO
        self.fees: dict[str, Decimal] = {}
        self.other_fees: dict[str, Decimal] = {}
        self._nets: dict[str, Decimal] = {}
        with localcontext(EXACT):
            for row in booked:
                self._add(row)

    @property
    def closings(self) -> int:
        """How many orders closed something: an order that fills in parts counts once."""
        return len(self._nets)

    @property
    def wins(self) -> int:
        """How many of these gained after fees."""
        return sum(net > 0 for net in self._nets.values())

    @property
    def losses(self) -> int:
        """How many of these lost after fees."""
        return sum(net < 0 for net in self._nets.values())

    def _add(self, row: Booked) -> None:
        self.trades += 1
        self.unmatched += row.unmatched
        if row.realized is not None:
            self.realized += row.realized
            self._nets[row.order_id] = self._nets.get(row.order_id, ZERO) + row.net
        if row.fee is not None:
            _note(self.fees, row.fee.currency, row.fee.cost)
        if row.fee_value is not None:
            self.fee_value += row.fee_value
        elif row.fee is not None:
            _note(self.other_fees, row.fee.currency, row.fee.cost)


def _note(sums: dict[str, Decimal], currency: str, cost: Decimal) -> None:
    sums[currency] = sums.get(currency, ZERO) + cost
