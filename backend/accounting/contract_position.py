"""Position in a linear contract: exact effects of fills, funding and settings.

The conventions, in the contract's quote asset, which is also its margin:

- A fill on the position's side, or into an empty one, adds its quantity and its cost.
- A fill against it closes: it gains `exit cost - entry cost` of the closed part for a
  long position, the reverse for a short one. The entry cost of a part is its share of
  the whole, rounded to eight decimals; the rest stays with what is open, so nothing is lost.
- A quantity beyond the position's opens one on the other side.
- `realized` is the position's effect on the wallet since it was opened: the gains of
  closed parts, less all fees, less funding that was paid.
- The margin is `entry cost / leverage`, rounded up to eight decimals.
- Maintenance is `entry cost * maintenance rate`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_EVEN, ROUND_UP, Decimal, localcontext
from typing import Any, Literal

from backend.accounting.decimals import EXACT, ONE, ZERO

MarginMode = Literal["isolated", "cross"]
PositionSide = Literal["long", "short"]

MAINTENANCE_RATE = Decimal("0.01")
MAX_LEVERAGE = 50
_STEP = Decimal("1E-8")


@dataclass(frozen=True, slots=True)
class ContractPosition:
    """A position and its settings; `quantity` is negative for a short one, `cost` never.

    `funded_at` is the time until which funding was paid.
    """

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realized: Decimal = ZERO
    leverage: Decimal = ONE
    margin_mode: MarginMode = "isolated"
    opened_at: datetime | None = None
    funded_at: datetime | None = None

    @property
    def sign(self) -> int:
        """1 for a long position, -1 for a short one, 0 for none."""
        return (self.quantity > 0) - (self.quantity < 0)

    @property
    def side(self) -> PositionSide | None:
        """The direction; None while nothing is open."""
        return "long" if self.sign > 0 else "short" if self.sign else None

    @property
    def entry_price(self) -> Decimal:
        """The average entry price of the open quantity."""
        return average_price(self.cost, self.quantity)

    @property
    def margin(self) -> Decimal:
        """The initial margin that the position locks."""
        return initial_margin(self.cost, self.leverage)

    @property
    def maintenance_margin(self) -> Decimal:
        """The equity below which the position is liquidated."""
        return EXACT.multiply(self.cost, MAINTENANCE_RATE)

    def unrealized(self, price: Decimal) -> Decimal:
        """Return the gain of closing at a price, before fees."""
        with localcontext(EXACT):
            return self.quantity * price - self.sign * self.cost

    def opening_quantity(self, quantity: Decimal) -> Decimal:
        """Return the part of a fill (negative: a sell) that opens a position, not closes one."""
        with localcontext(EXACT):
            if quantity * self.quantity >= 0:
                return abs(quantity)
            return max(abs(quantity) - abs(self.quantity), ZERO)

    def apply_fill(
        self, quantity: Decimal, cost: Decimal, fee: Decimal, at: datetime
    ) -> list[PositionChange]:
        """Return the changes by a fill: one, or two when the position changes sides.

        `quantity` is negative for a sell; `cost` is the notional of the fill.
        """
        with localcontext(EXACT):
            opened = self.opening_quantity(quantity)
            if opened == abs(quantity):
                return [self._increased(quantity, cost, fee, at)]
            closed = abs(quantity) - opened
            exit_cost = _proportional_part(cost, closed, quantity)
            exit_fee = _proportional_part(fee, closed, quantity)
            changes = [self._reduced(closed, exit_cost, exit_fee)]
            if opened:
                rest, flat = opened.copy_sign(quantity), changes[0].position
                changes.append(flat._increased(rest, cost - exit_cost, fee - exit_fee, at))
            return changes

    def apply_funding(self, price: Decimal, rate: Decimal, at: datetime) -> PositionChange:
        """Return the change by funding at a price: long positions pay a positive rate."""
        with localcontext(EXACT):
            paid = (self.quantity * price * rate).quantize(_STEP, ROUND_HALF_EVEN)
            return PositionChange(replace(self, realized=self.realized - paid, funded_at=at), -paid)

    def _increased(
        self, quantity: Decimal, cost: Decimal, fee: Decimal, at: datetime
    ) -> PositionChange:
        is_new = not self.quantity
        grown = replace(
            self,
            quantity=self.quantity + quantity,
            cost=self.cost + cost,
            realized=(ZERO if is_new else self.realized) - fee,
            opened_at=at if is_new else self.opened_at,
            funded_at=at if is_new else self.funded_at,
        )
        return PositionChange(grown, -fee)

    def _reduced(self, part: Decimal, exit_cost: Decimal, fee: Decimal) -> PositionChange:
        entry_cost = _proportional_part(self.cost, part, self.quantity)
        wallet_change = self.sign * (exit_cost - entry_cost) - fee
        left = replace(
            self,
            quantity=self.quantity - self.sign * part,
            cost=self.cost - entry_cost,
            realized=self.realized + wallet_change,
        )
        return PositionChange(left, wallet_change)


@dataclass(frozen=True, slots=True)
class PositionChange:
    """A position after a fill or funding, and the change of the wallet by it."""

    position: ContractPosition
    wallet_change: Decimal


def initial_margin(cost: Decimal, leverage: Decimal) -> Decimal:
    """Return the initial margin of a position with an entry cost."""
    with localcontext(EXACT):
        return (cost / leverage).quantize(_STEP, ROUND_UP)


def average_price(cost: Decimal, quantity: Decimal) -> Decimal:
    """Return the price per unit: eight decimals, and more below 1, to eight digits at least."""
    if not quantity or not cost:
        return ZERO
    with localcontext(EXACT):
        price = cost / abs(quantity)
        decimals = max(8, 8 - price.adjusted())
        return price.quantize(ONE.scaleb(-decimals)).normalize()


def _proportional_part(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """Return `amount * part / whole`, to eight decimals."""
    if part == abs(whole):
        return amount
    with localcontext(EXACT):
        return (amount * part / abs(whole)).quantize(_STEP, ROUND_HALF_EVEN)


def position_to_json(position: ContractPosition) -> dict[str, Any]:
    """Return a position as JSON values."""
    return {
        "quantity": str(position.quantity),
        "cost": str(position.cost),
        "realized": str(position.realized),
        "leverage": str(position.leverage),
        "margin_mode": position.margin_mode,
        "opened_at": _text(position.opened_at),
        "funded_at": _text(position.funded_at),
    }


def position_from_json(body: Mapping[str, Any]) -> ContractPosition:
    """Read what `position_to_json` wrote."""
    return ContractPosition(
        quantity=Decimal(body["quantity"]),
        cost=Decimal(body["cost"]),
        realized=Decimal(body["realized"]),
        leverage=Decimal(body["leverage"]),
        margin_mode=body["margin_mode"],
        opened_at=_time(body["opened_at"]),
        funded_at=_time(body["funded_at"]),
    )


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
