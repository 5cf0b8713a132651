"""Orders and fills of the sandbox exchange, and their JSON form."""

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
    """Trigger of a stop-loss or take-profit order: its price and kind."""

    kind: Literal["stop_loss", "take_profit"]
    price: Decimal


@dataclass(frozen=True)
class NewOrder:
    """Order request; without a price it is a market order."""

    symbol: str
    side: Side
    amount: Decimal
    price: Decimal | None = None
    trigger: Trigger | None = None
    client_order_id: str | None = None
    reduce_only: bool = False


@dataclass(frozen=True)
class Fill:
    """One execution; the fee is paid in the received asset."""

    id: str
    time_ms: int
    price: Decimal
    amount: Decimal
    fee: Decimal
    liquidity: Liquidity


class AwaitedPrice(NamedTuple):
    """A price to be reached, and whether from below."""

    price: Decimal
    rising: bool


@dataclass
class Order:
    """An order and its state.

    `locked` is the locked amount of the asset it pays with, `seen_ms` the time until
    which the price path was searched for its fill.
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
        """The notional of the executed amount, in the quote asset."""
        return sum((fill.amount * fill.price for fill in self.fills), Decimal(0))

    @property
    def fee(self) -> Decimal:
        """The fees, in the received asset."""
        return sum((fill.fee for fill in self.fills), Decimal(0))

    @property
    def awaited_price(self) -> AwaitedPrice | None:
        """The price to be reached next: the trigger's, then the order's own."""
        request = self.request
        if request.trigger is not None and not self.is_triggered:
            rising = (request.side == "buy") == (request.trigger.kind == "stop_loss")
            return AwaitedPrice(request.trigger.price, rising)
        return (
            None if request.price is None else AwaitedPrice(request.price, request.side == "sell")
        )

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
