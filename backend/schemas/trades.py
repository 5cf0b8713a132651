"""Trades: executions of orders."""

from __future__ import annotations

from typing import Literal

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
    fee: Fee | None
    liquidity: Literal["maker", "taker"] | None
    executed_at: UtcTime
