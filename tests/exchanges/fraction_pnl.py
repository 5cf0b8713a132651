"""Profit and loss in Fractions, straight from an exchange's executions: an oracle for tests."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from tests.exchanges.state import Execution


@dataclass
class FractionPnl:
    """First in, first out, of one spot symbol, as docs and accounting/fifo.py define it."""

    realized: Fraction = Fraction(0)
    unmatched: Fraction = Fraction(0)
    fees: dict[str, Fraction] = field(default_factory=dict)
    lots: deque[list[Fraction]] = field(default_factory=deque)

    @property
    def quantity(self) -> Fraction:
        return sum((lot[0] for lot in self.lots), Fraction(0))


def fraction_pnl(executions: Iterable[Execution], base: str) -> FractionPnl:
    """Return the profit and loss of executions in their order; nothing was held before."""
    pnl = FractionPnl()
    for each in executions:
        quantity, cost = Fraction(each.amount), Fraction(each.cost)
        for fee in each.fees:
            pnl.fees[fee.currency] = pnl.fees.get(fee.currency, Fraction(0)) + Fraction(fee.cost)
            if fee.currency == base:  # a buy brings less, a sell takes more
                share = Fraction(fee.cost) * (-1 if each.side == "buy" else 1)
                quantity, cost = quantity + share, cost + share * Fraction(each.price)
        if each.side == "buy":
            pnl.lots.append([quantity, cost])
        else:
            _sell(pnl, quantity, cost)
    return pnl


def _sell(pnl: FractionPnl, quantity: Fraction, proceeds: Fraction) -> None:
    left, price = quantity, proceeds / quantity
    while left and pnl.lots:
        lot = pnl.lots[0]
        part = min(lot[0], left)
        cost = lot[1] * part / lot[0]
        pnl.realized += part * price - cost
        lot[0], lot[1], left = lot[0] - part, lot[1] - cost, left - part
        if not lot[0]:
            pnl.lots.popleft()
    pnl.unmatched += left
