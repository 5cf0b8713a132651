"""FIFO books: what a symbol's executions gained, and what is still open of them.

The conventions, for one symbol on one exchange, in its quote asset:

- A buy opens a lot: its quantity and what was paid for it (`cost` of the
  execution). A sell closes the oldest lots first and gains
  `Σ (part of the sell's cost - part of the lot's cost)`, each part in
  proportion to its quantity. On contracts a sell may also open lots, which buys
  close: there the gain is `part of the lot's cost - part of the buy's cost`.
- Realised is the sum of these gains, before fees. Unrealised is
  `Σ (quantity * price - cost)` of the open lots (the reverse for short ones).
- Fees are no part of cost or gain: they are summed by themselves, in their own
  currency. One that is taken in the base asset is worth what the execution
  paid for as much of it; what it takes of a buy never enters the lot, what it
  takes beyond a sell leaves the lots as if sold at the same price.
- What is sold beyond the lots was held before the first execution. Its cost is
  the price of the asset when the account was opened. Where that is not known,
  or nothing was left of it, the sale has no known gain: it is left out of
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
from backend.accounting.decimals import EXACT, ZERO, part_of
from backend.accounting.totals import Booked, Totals
from backend.schemas.trades import Execution, Trade


class OpeningLot:
    """What is left of an asset that the account held before its first execution.

    Shared by the books of all symbols that trade the asset.
    """

    def __init__(self, quantity: Decimal = ZERO) -> None:
        self.left = quantity

    def draw(self, quantity: Decimal) -> Decimal:
        """Take up to a quantity and return what there was of it."""
        drawn = min(quantity, self.left)
        self.left = EXACT.subtract(self.left, drawn)
        return drawn


class FifoLots:
    """One symbol on one exchange. Give it the executions in the order in which they happened.

    `opening_price` is the price of the base asset, in the quote asset, when the
    account was opened. `totals` are of all that is `booked`.
    """

    def __init__(
        self, symbol: str, opening: OpeningLot | None = None, opening_price: Decimal | None = None
    ) -> None:
        self.base, self.quote = assets_of(symbol)
        settled = symbol.partition(":")[2]
        self._is_contract = bool(settled)
        self._is_inverse = self._is_contract and settled.split("-")[0] != self.quote
        self._opening = opening or OpeningLot()
        self._opening_price = opening_price
        self._lots: deque[_Amounts] = deque()
        self._sign = 1
        self.booked: list[Booked] = []
        self.totals = Totals()

    @property
    def quantity(self) -> Decimal:
        """What is open of the executions' own lots; negative for a short contract."""
        with localcontext(EXACT):
            return self._sign * sum((lot.quantity for lot in self._lots), ZERO)

    @property
    def cost(self) -> Decimal:
        """What the open lots were opened for; positive for short ones too."""
        with localcontext(EXACT):
            return sum((lot.cost for lot in self._lots), ZERO)

    def unrealized(self, price: Decimal) -> Decimal:
        """Return what the open lots would gain at a price."""
        with localcontext(EXACT):
            return self.quantity * price - self._sign * self.cost

    def add(self, trade: Trade | Execution) -> None:
        """Book one execution."""
        with localcontext(EXACT):
            fee_value = self._fee_value(trade)
            quantity, cost = self._moved(trade, fee_value or ZERO)
            sign = 1 if quantity >= 0 else -1
            rest = _Amounts(sign * quantity, sign * cost, fee_value or ZERO)
            outcome = _Outcome()
            if not self._is_inverse:
                self._match(rest, sign, outcome)
        row = Booked(
            trade.order_id,
            trade.executed_at,
            outcome.realized,
            outcome.net,
            rest.quantity,
            trade.fee,
            fee_value,
        )
        self.booked.append(row)
        self.totals.add(row)

    def _match(self, rest: _Amounts, sign: int, outcome: _Outcome) -> None:
        """Close lots of the other direction, then open one; what stays in `rest` has no match."""
        while rest.quantity and self._lots and self._sign != sign:
            lot = self._lots[0]
            part = min(lot.quantity, rest.quantity)
            opened, entry_fee = lot.take(part)
            closed, exit_fee = rest.take(part)
            outcome.gain(sign * (opened - closed), entry_fee + exit_fee)
            if not lot.quantity:
                self._lots.popleft()
        if rest.quantity and (sign > 0 or self._is_contract):
            self._sign = sign
            self._lots.append(_Amounts(rest.quantity, *rest.take(rest.quantity)))
        elif rest.quantity:
            self._sell_opening(rest, outcome)

    def _sell_opening(self, rest: _Amounts, outcome: _Outcome) -> None:
        drawn = self._opening.draw(rest.quantity)
        if drawn and self._opening_price is not None:
            proceeds, fee = rest.take(drawn)
            outcome.gain(proceeds - drawn * self._opening_price, fee)

    def _fee_value(self, trade: Trade | Execution) -> Decimal | None:
        if trade.fee is None:
            return ZERO
        if trade.fee.currency == self.quote:
            return trade.fee.cost
        return _worth(trade, trade.fee.cost) if trade.fee.currency == self.base else None

    def _moved(self, trade: Trade | Execution, fee_value: Decimal) -> tuple[Decimal, Decimal]:
        """Return what the execution adds to the holding of the base asset, and for how much."""
        sign = 1 if trade.side == "buy" else -1
        if trade.fee is None or trade.fee.currency != self.base or self._is_contract:
            return sign * trade.quantity, sign * trade.cost
        return sign * trade.quantity - trade.fee.cost, sign * trade.cost - fee_value


class _Amounts:
    """A quantity with its cost and fee, from which proportional parts are taken."""

    __slots__ = ("cost", "fee", "quantity")

    def __init__(self, quantity: Decimal, cost: Decimal, fee: Decimal) -> None:
        self.quantity = quantity
        self.cost = cost
        self.fee = fee

    def take(self, quantity: Decimal) -> tuple[Decimal, Decimal]:
        """Split a quantity off, and return its cost and fee."""
        cost = part_of(self.cost, quantity, self.quantity)
        fee = part_of(self.fee, quantity, self.quantity)
        self.quantity -= quantity
        self.cost -= cost
        self.fee -= fee
        return cost, fee


class _Outcome:
    def __init__(self) -> None:
        self.realized: Decimal | None = None
        self.net = ZERO

    def gain(self, amount: Decimal, fees: Decimal) -> None:
        self.realized = amount if self.realized is None else self.realized + amount
        self.net += amount - fees


def _worth(trade: Trade | Execution, quantity: Decimal) -> Decimal:
    """Return what so much of the base asset is worth at the execution's own price."""
    if not trade.quantity:
        return EXACT.multiply(trade.price, quantity)
    return part_of(trade.cost, quantity, trade.quantity)
