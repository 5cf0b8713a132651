"""FIFO lot accounting: realised and unrealised profit of one symbol's executions.

The conventions, for one symbol on one exchange, in its quote asset:

- A buy opens a lot: its quantity and its cost (`cost` of the execution). A sell
  closes the oldest lots first and gains
  `Σ (part of the sell's cost - part of the lot's cost)`, each part in
  proportion to its quantity. On contracts a sell may also open lots, which buys
  close: there the gain is `part of the lot's cost - part of the buy's cost`.
- Realised is the sum of these gains, before fees. Unrealised is
  `Σ (quantity * price - cost)` of the open lots (the reverse for short ones).
- Fees are no part of cost or gain: they are summed by themselves, in their own
  currency. One that is charged in the base asset is valued at the execution's
  price; on a buy its quantity never enters the lot, on a sell it leaves the lots
  as if sold at the same price.
- A quantity sold beyond the lots was held before the first execution. Its cost is
  the price of the asset when the account was opened. Where that is not known, or
  the opening balance is used up, the sale has no known gain: it is left out of
  realised, and its quantity is counted as unmatched.
- Inverse contracts, which settle in their base asset, are counted as unmatched
  as a whole.

So for spot, with everything matched: realised + unrealised - fees + what the
rest of the opening balance gained = change of the account's value, exactly.
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal, localcontext

from backend.accounting.balances import assets_of
from backend.accounting.decimals import EXACT, ZERO, proportional_part
from backend.accounting.totals import ExecutionPnl, Totals, ValuedFee
from backend.schemas.trades import Execution, Trade


class OpeningLot:
    """The rest of an asset's balance from before the account's first execution.

    Shared by the lots of all symbols that trade the asset.
    """

    def __init__(self, quantity: Decimal = ZERO) -> None:
        self.remaining = quantity

    def consume(self, quantity: Decimal) -> Decimal:
        """Remove up to a quantity and return how much was removed."""
        consumed = min(quantity, self.remaining)
        self.remaining = EXACT.subtract(self.remaining, consumed)
        return consumed


class FifoLots:
    """Open lots and realised profit of one symbol on one exchange.

    Executions are added in chronological order. `opening_price` is the price of the
    base asset, in the quote asset, when the account was opened. `executions` has the
    result of each execution, `totals` their sums.
    """

    def __init__(
        self, symbol: str, opening: OpeningLot | None = None, opening_price: Decimal | None = None
    ) -> None:
        self.base, self.quote = assets_of(symbol)
        settlement = symbol.partition(":")[2]
        self._is_contract = bool(settlement)
        self._is_inverse = self._is_contract and settlement.split("-")[0] != self.quote
        self._opening = opening or OpeningLot()
        self._opening_price = opening_price
        self._lots: deque[_Lot] = deque()
        self._sign = 1
        self.executions: list[ExecutionPnl] = []
        self.totals = Totals()

    @property
    def quantity(self) -> Decimal:
        """The open quantity, without the opening balance; negative for a short contract."""
        with localcontext(EXACT):
            return self._sign * sum((lot.quantity for lot in self._lots), ZERO)

    @property
    def cost(self) -> Decimal:
        """The entry cost of the open lots; positive for short ones too."""
        with localcontext(EXACT):
            return sum((lot.cost for lot in self._lots), ZERO)

    def unrealized(self, price: Decimal) -> Decimal:
        """Return the gain of closing the open lots at a price."""
        with localcontext(EXACT):
            return self.quantity * price - self._sign * self.cost

    def add(self, trade: Trade | Execution) -> None:
        """Add one execution."""
        with localcontext(EXACT):
            fees = self._valued_fees(trade)
            quantity, cost = self._base_change(trade, fees)
            sign = 1 if quantity >= 0 else -1
            fee_value = sum((fee.value for fee in fees if fee.value is not None), ZERO)
            rest = _Lot(sign * quantity, sign * cost, fee_value)
            outcome = _Outcome()
            if not self._is_inverse:
                self._match(rest, sign, outcome)
        row = ExecutionPnl(
            trade.order_id,
            trade.executed_at,
            outcome.realized,
            outcome.net,
            rest.quantity,
            fees,
        )
        self.executions.append(row)
        self.totals.add(row)

    def _match(self, rest: _Lot, sign: int, outcome: _Outcome) -> None:
        """Close lots of the other direction, then open one; the rest of `rest` is unmatched."""
        while rest.quantity and self._lots and self._sign != sign:
            lot = self._lots[0]
            part = min(lot.quantity, rest.quantity)
            opened, entry_fee = lot.split(part)
            closed, exit_fee = rest.split(part)
            outcome.add_gain(sign * (opened - closed), entry_fee + exit_fee)
            if not lot.quantity:
                self._lots.popleft()
        if rest.quantity and (sign > 0 or self._is_contract):
            self._sign = sign
            self._lots.append(_Lot(rest.quantity, *rest.split(rest.quantity)))
        elif rest.quantity:
            self._close_opening_lot(rest, outcome)

    def _close_opening_lot(self, rest: _Lot, outcome: _Outcome) -> None:
        consumed = self._opening.consume(rest.quantity)
        if consumed and self._opening_price is not None:
            proceeds, fee = rest.split(consumed)
            outcome.add_gain(proceeds - consumed * self._opening_price, fee)

    def _valued_fees(self, trade: Trade | Execution) -> tuple[ValuedFee, ...]:
        charges = trade.charges if isinstance(trade, Trade) else trade.fees
        return tuple(
            ValuedFee(fee.cost, fee.currency, self._fee_value(trade, fee.cost, fee.currency))
            for fee in charges
        )

    def _fee_value(self, trade: Trade | Execution, cost: Decimal, currency: str) -> Decimal | None:
        if currency == self.quote:
            return cost
        return _value_at(trade, cost) if currency == self.base else None

    def _base_change(
        self, trade: Trade | Execution, fees: tuple[ValuedFee, ...]
    ) -> tuple[Decimal, Decimal]:
        """Return the execution's change of the base asset's holding, and its cost."""
        sign = 1 if trade.side == "buy" else -1
        quantity, cost = sign * trade.quantity, sign * trade.cost
        for fee in () if self._is_contract else fees:
            if fee.currency == self.base:
                quantity, cost = quantity - fee.cost, cost - (fee.value or ZERO)
        return quantity, cost


class _Lot:
    """A quantity with its cost and fee, which are split in proportion to it."""

    __slots__ = ("cost", "fee", "quantity")

    def __init__(self, quantity: Decimal, cost: Decimal, fee: Decimal) -> None:
        self.quantity = quantity
        self.cost = cost
        self.fee = fee

    def split(self, quantity: Decimal) -> tuple[Decimal, Decimal]:
        """Split off a quantity and return its cost and fee."""
        cost = proportional_part(self.cost, quantity, self.quantity)
        fee = proportional_part(self.fee, quantity, self.quantity)
        self.quantity -= quantity
        self.cost -= cost
        self.fee -= fee
        return cost, fee


class _Outcome:
    def __init__(self) -> None:
        self.realized: Decimal | None = None
        self.net = ZERO

    def add_gain(self, amount: Decimal, fees: Decimal) -> None:
        self.realized = amount if self.realized is None else self.realized + amount
        self.net += amount - fees


def _value_at(trade: Trade | Execution, quantity: Decimal) -> Decimal:
    """Return the value of a quantity of the base asset at the execution's own price."""
    if not trade.quantity:
        return EXACT.multiply(trade.price, quantity)
    return proportional_part(trade.cost, quantity, trade.quantity)
