"""Orders at the exchange, what filled them, and what they look like in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any, Literal, NamedTuple

Side = Literal["buy", "sell"]
Liquidity = Literal["maker", "taker"]
Status = Literal["open", "closed", "canceled", "rejected"]


@dataclass(frozen=True)
class Trigger:
    """A price that an order waits for before it enters the book."""

    kind: Literal["stop_loss", "take_profit"]
    price: Decimal


@dataclass(frozen=True)
class NewOrder:
    """What a client asks for; without a price it takes the book's."""

    symbol: str
    side: Side
    amount: Decimal
    price: Decimal | None = None
    trigger: Trigger | None = None
    client_order_id: str | None = None
    reduce_only: bool = False


@dataclass(frozen=True)
class Fill:
    """One execution; the fee is paid in the asset that was received."""

    id: str
    time_ms: int
    price: Decimal
    amount: Decimal
    fee: Decimal
    liquidity: Liquidity


class Awaited(NamedTuple):
    """A price, and whether it is to be reached from below."""

    price: Decimal
    rising: bool


@dataclass
class Order:
    """An order and its state.

    `locked` is what it holds back of the asset it pays with, `seen_ms` until
    when the market's path was searched for what it awaits.
    """

    id: str
    request: NewOrder
    created_ms: int
    updated_ms: int
    seen_ms: int
    status: Status = "open"
    is_triggered: bool = False
    locked: Decimal = Decimal(0)
    fills: list[Fill] = field(default_factory=list)

    @property
    def filled(self) -> Decimal:
        """The amount that was executed."""
        return sum((fill.amount for fill in self.fills), Decimal(0))

    @property
    def cost(self) -> Decimal:
        """What the executed amount cost, in the quote asset."""
        return sum((fill.amount * fill.price for fill in self.fills), Decimal(0))

    @property
    def fee(self) -> Decimal:
        """The fees paid, in the asset that was received."""
        return sum((fill.fee for fill in self.fills), Decimal(0))

    @property
    def awaits(self) -> Awaited | None:
        """What has to happen next: the trigger's price, then the order's own."""
        request = self.request
        if request.trigger is not None and not self.is_triggered:
            rising = (request.side == "buy") == (request.trigger.kind == "stop_loss")
            return Awaited(request.trigger.price, rising)
        return None if request.price is None else Awaited(request.price, request.side == "sell")

    def to_json(self) -> dict[str, Any]:
        """Return the order as JSON values."""
        row: dict[str, Any] = _plain(asdict(self))
        return row

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Order:
        """Read what `to_json` wrote."""
        request = _with_decimals(row["request"], "amount", "price")
        if request["trigger"] is not None:
            request["trigger"] = Trigger(**_with_decimals(request["trigger"], "price"))
        fills = [Fill(**_with_decimals(fill, "price", "amount", "fee")) for fill in row["fills"]]
        own = _with_decimals(row, "locked")
        return cls(**{**own, "request": NewOrder(**request), "fills": fills})


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _with_decimals(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    decimals = {name: Decimal(row[name]) for name in names if row[name] is not None}
    return {**row, **decimals}
