"""Trades: executions of orders."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from backend.schemas.common import Model, Money, PageQuery, Symbol, UtcTime
from backend.schemas.orders import Fee, Side


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("an RFC 3339 time with its offset, such as 2026-01-20T10:00:00Z")
    return value


AwareTime = Annotated[datetime, AfterValidator(_aware)]
"""A time in a request: RFC 3339 with an offset."""


class TradeQuery(PageQuery):
    """Filters of the trade list."""

    symbol: Symbol | None = None
    since: AwareTime | None = Field(None, description="Executed at or after this time.")
    until: AwareTime | None = Field(None, description="Executed before this time.")


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
    fee: Fee | None
    liquidity: Literal["maker", "taker"] | None
    executed_at: UtcTime
