"""What the server tells, as plain data: money is Decimal, times are aware and in UTC.

Fields that a newer server adds are left out; those that an older one lacks are None.
"""

from __future__ import annotations

import types
import typing
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar, Union, cast

T = TypeVar("T")


@dataclass(frozen=True)
class User:
    """The caller's own account."""

    id: str
    username: str
    role: str
    scopes: list[str]


@dataclass(frozen=True)
class Fee:
    """What the exchange took."""

    cost: Decimal
    currency: str


@dataclass(frozen=True)
class Order:
    """An order as it stands."""

    id: str
    client_order_id: str | None
    exchange: str
    symbol: str
    side: str
    type: str
    status: str
    quantity: Decimal
    filled: Decimal
    remaining: Decimal
    price: Decimal | None
    stop_price: Decimal | None
    average_price: Decimal | None
    cost: Decimal
    fee: Fee | None
    fees: list[Fee]
    parent_order_id: str | None
    reduce_only: bool
    time_in_force: str
    post_only: bool
    valid_until: datetime | None
    tag: str | None
    created_at: datetime
    updated_at: datetime

    @property
    def is_open(self) -> bool:
        """Whether it may still be filled."""
        return self.status in ("open", "partially_filled", "unknown")


@dataclass(frozen=True)
class Trade:
    """One execution."""

    id: str
    order_id: str
    client_order_id: str | None
    exchange: str
    symbol: str
    side: str
    price: Decimal
    quantity: Decimal
    cost: Decimal
    fee: Fee | None
    fees: list[Fee]
    liquidity: str | None
    executed_at: datetime
    estimated: bool


@dataclass(frozen=True)
class Balance:
    """An asset on an exchange, and what it is worth in the reference market, if that is known."""

    asset: str
    total: Decimal
    available: Decimal
    locked: Decimal
    price: Decimal | None
    value: Decimal | None
    share: Decimal | None


@dataclass(frozen=True)
class ExchangeBalances:
    """What is held on one exchange."""

    exchange: str
    balances: list[Balance]


@dataclass(frozen=True)
class Profitability:
    """Gain since the bot's first start, in the reference market."""

    value: Decimal
    percent: Decimal


@dataclass(frozen=True)
class Portfolio:
    """The whole account."""

    reference_market: str
    total_value: Decimal | None
    profitability: Profitability | None
    unpriced: list[str]
    stale: list[str]
    exchanges: list[ExchangeBalances]

    def balance(self, asset: str) -> Balance | None:
        """Return an asset's balance, on the first exchange that has it."""
        found = (row for place in self.exchanges for row in place.balances if row.asset == asset)
        return next(found, None)


@dataclass(frozen=True)
class Position:
    """A position of a futures account."""

    exchange: str
    symbol: str
    side: str | None
    quantity: Decimal
    entry_price: Decimal | None
    mark_price: Decimal | None
    unrealized_pnl: Decimal
    realized_pnl: Decimal
    leverage: Decimal
    margin_mode: str
    liquidation_price: Decimal | None
    opened_at: datetime | None


@dataclass(frozen=True)
class Exchange:
    """An exchange that the bot is connected to."""

    id: str
    name: str
    trading: str
    type: str
    ready: bool
    symbols: list[str]
    intervals: list[str]


@dataclass(frozen=True)
class Limits:
    """What an exchange takes; None where it names no bound."""

    min: Decimal | None
    max: Decimal | None


@dataclass(frozen=True)
class Market:
    """Trading rules of one symbol."""

    exchange: str
    symbol: str
    base: str
    quote: str
    price_step: Decimal | None
    quantity_step: Decimal | None
    quantity: Limits
    price: Limits
    cost: Limits
    contract_size: Decimal | None
    max_leverage: Decimal | None
    maker_fee: Decimal | None
    taker_fee: Decimal | None


@dataclass(frozen=True)
class TickerProblem:
    """Why the exchange told no ticker of a symbol; the fields are those of an error."""

    code: int
    type: str
    error: str
    details: str | None


@dataclass(frozen=True)
class Ticker:
    """Price and 24 h figures of one symbol."""

    exchange: str
    symbol: str
    price: Decimal | None
    bid: Decimal | None
    ask: Decimal | None
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    volume: Decimal | None
    change_percent: Decimal | None
    timestamp: datetime | None
    received_at: datetime
    problem: TickerProblem | None


@dataclass(frozen=True)
class Candle:
    """Prices of one interval."""

    time: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal | None
    closed: bool


def build(kind: type[T], data: Any) -> T:  # noqa: ANN401 - any JSON
    """Make a model of what JSON holds."""
    hints = _hints(cast(Any, kind))
    return kind(**{name: _convert(hint, data.get(name)) for name, hint in hints.items()})


@lru_cache(maxsize=64)
def _hints(kind: type[object]) -> dict[str, Any]:
    known = typing.get_type_hints(kind)
    return {field.name: known[field.name] for field in fields(cast(Any, kind))}


def _convert(hint: Any, value: Any) -> object:  # noqa: ANN401 - any type, any JSON
    if value is None:
        return None
    if typing.get_origin(hint) in (Union, types.UnionType):
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
    if typing.get_origin(hint) is list:
        return [_convert(typing.get_args(hint)[0], item) for item in value]
    if is_dataclass(hint):
        return build(cast("type[object]", hint), value)
    if hint is Decimal:
        return Decimal(str(value))
    if hint is datetime:
        return datetime.fromisoformat(value.replace("Z", "+00:00"))
    return cast(object, value)
