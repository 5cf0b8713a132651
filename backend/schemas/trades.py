"""Models of trades: executions of orders."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple

from pydantic import Field

from backend.schemas.common import AwareTime, Model, Money, PageQuery, Symbol, UtcTime
from backend.schemas.orders import Fee, Side


class TradeQuery(PageQuery):
    """Filters of the trade list."""

    symbol: Symbol | None = None
    since: AwareTime | None = Field(None, description="Executed at or after this time.")
    until: AwareTime | None = Field(None, description="Executed before this time.")
    format: Literal["json", "csv"] = Field(
        "json", description="`csv` is all of them in one file; `limit` does not apply to it."
    )


class Trade(Model):
    """One execution."""

    id: str
    order_id: str
    client_order_id: str | None
    exchange: str
    symbol: str
    side: Side
    price: Money
    quantity: Money
    cost: Money
    fee: Fee | None = Field(description="Null while it is not known, and when `fees` are several.")
    fees: tuple[Fee, ...] = Field(
        default=(), description="Fees in more than one currency; empty otherwise."
    )
    liquidity: Literal["maker", "taker"] | None
    executed_at: UtcTime
    estimated: bool = Field(
        default=False,
        description="Whether the exchange has told the quantity, but not this execution: those it"
        " tells later replace it.",
    )

    @property
    def charges(self) -> tuple[Fee, ...]:
        """Every known fee."""
        return self.fees or (() if self.fee is None else (self.fee,))


class Charge(NamedTuple):
    """A fee as a named tuple, the cheapest form."""

    cost: Decimal
    currency: str


class Execution(NamedTuple):
    """The fields of a trade that accounting needs: read several times as fast as all fields."""

    order_id: str
    exchange: str
    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    cost: Decimal
    fees: tuple[Charge, ...]
    executed_at: datetime


def execution_of(trade: Trade) -> Execution:
    """Return a trade's fields for accounting, as read after a restart: at a full millisecond."""
    at = trade.executed_at
    return Execution(
        order_id=trade.order_id,
        exchange=trade.exchange,
        symbol=trade.symbol,
        side=trade.side,
        price=trade.price,
        quantity=trade.quantity,
        cost=trade.cost,
        fees=tuple(Charge(fee.cost, fee.currency) for fee in trade.charges),
        executed_at=at.replace(microsecond=at.microsecond // 1000 * 1000),
    )
