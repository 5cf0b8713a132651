"""Profit of single executions, and totals over them: gains, fees, wins and losses."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal, localcontext
from typing import NamedTuple

from backend.accounting.decimals import EXACT, ZERO


class ValuedFee(NamedTuple):
    """A fee of one execution; `value` is in the quote asset, None for a third currency."""

    cost: Decimal
    currency: str
    value: Decimal | None


class ExecutionPnl(NamedTuple):
    """Profit and loss of one execution.

    `realized` is None when it closed nothing of known cost. `net` is the same
    after the fees of the closed lots and its own, as far as they are in base or
    quote.
    """

    order_id: str
    executed_at: datetime
    realized: Decimal | None
    net: Decimal
    unmatched: Decimal
    fees: tuple[ValuedFee, ...]


class FeeSum(NamedTuple):
    """Fees in one currency; `value` in the quote asset, None for a currency that is not traded."""

    cost: Decimal
    value: Decimal | None


class Totals:
    """Totals over executions of one symbol, in its quote asset.

    `fees` are by currency; one in base or quote is valued at its execution's own price.
    `wins` and `losses` count the closing orders that gained or lost after fees.
    """

    def __init__(self, executions: Iterable[ExecutionPnl] = ()) -> None:
        self.trades = 0
        self.realized = ZERO
        self.unmatched = ZERO
        self.fees: dict[str, FeeSum] = {}
        self.wins = 0
        self.losses = 0
        self._net_by_order: dict[str, Decimal] = {}
        for row in executions:
            self.add(row)

    def add(self, row: ExecutionPnl) -> None:
        """Add one more execution."""
        with localcontext(EXACT):
            self.trades += 1
            self.unmatched += row.unmatched
            if row.realized is not None:
                self.realized += row.realized
                self._add_closing(row.order_id, row.net)
            for fee in row.fees:
                cost, value = self.fees.get(fee.currency, (ZERO, ZERO))
                if value is not None:
                    value = None if fee.value is None else value + fee.value
                self.fees[fee.currency] = FeeSum(cost + fee.cost, value)

    @property
    def closings(self) -> int:
        """The number of closing orders: an order that fills in parts counts once."""
        return len(self._net_by_order)

    def _add_closing(self, order_id: str, net: Decimal) -> None:
        before = self._net_by_order.get(order_id, ZERO)
        after = self._net_by_order[order_id] = before + net
        self.wins += (after > 0) - (before > 0)
        self.losses += (after < 0) - (before < 0)
