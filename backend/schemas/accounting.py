"""Models of profit and loss and of the portfolio's value over time."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from backend.schemas.common import (
    AwareTime,
    Model,
    Money,
    PageQuery,
    RequestModel,
    Symbol,
    UtcTime,
)

HistoryInterval = Literal["1m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d"]


class PnlQuery(RequestModel):
    """Filters of the profit and loss; all executions if left out."""

    symbol: Symbol | None = None
    since: AwareTime | None = Field(
        None, description="Count executions at or after this time. What they close may be older."
    )
    until: AwareTime | None = Field(
        None, description="Count executions before this time; unrealized PnL is then left out."
    )

    @model_validator(mode="after")
    def _in_order(self) -> PnlQuery:
        _check_order(self.since, self.until)
        return self


class FeeTotal(Model):
    """Fees paid in one currency."""

    currency: str
    cost: Money
    value: Money | None = Field(
        description="In the reference market; null if no price of the currency is known."
    )


class SymbolPnl(Model):
    """Profit and loss of one symbol on one exchange, in its quote asset."""

    exchange: str
    symbol: str
    quote: str
    trades: int
    realized_pnl: Money = Field(description="Of closed quantities, first in first out, before fees")
    unrealized_pnl: Money | None = Field(
        description="Of open quantities at the present price, before fees; null if not known."
    )
    quantity: Money = Field(description="Open quantity; negative for a short position.")
    entry_price: Money | None = Field(description="Average price of the open quantity.")
    mark_price: Money | None
    unmatched_quantity: Money = Field(
        description="Sold, but bought at no known price: left out of the realized PnL."
    )
    fees: list[FeeTotal]
    closings: int = Field(description="Orders that closed something.")
    wins: int = Field(description="Closing orders that gained after fees.")
    losses: int = Field(description="Closing orders that lost after fees.")


class Drawdown(Model):
    """The deepest fall of the portfolio's value below an earlier peak."""

    value: Money = Field(description="In the reference market.")
    ratio: Money = Field(description="Part of the peak that was lost, 0 to 1.")
    peak_at: UtcTime
    trough_at: UtcTime


class Pnl(Model):
    """Profit and loss, in the reference market.

    Amounts in other currencies are converted at present prices; fees in the base asset at the
    price of their execution. What has no price is left out and named in `unpriced`.
    """

    reference_market: str
    since: UtcTime | None
    until: UtcTime | None
    trades: int
    realized_pnl: Money
    unrealized_pnl: Money | None = Field(description="Null when `until` is given.")
    fees: Money
    net_pnl: Money = Field(description="Realized and, if known, unrealized PnL less fees.")
    closings: int
    wins: int
    losses: int
    win_rate: Money | None = Field(description="Wins per closing order, 0 to 1.")
    max_drawdown: Drawdown | None = Field(
        description="From the kept portfolio snapshots; null if there was none, or for one symbol."
    )
    unpriced: list[str] = Field(description="Symbols and currencies without a known price.")
    fees_paid: list[FeeTotal]
    symbols: list[SymbolPnl]


class HistoryQuery(PageQuery):
    """Filters of the portfolio's history."""

    interval: HistoryInterval = "1h"
    since: AwareTime | None = Field(None, description="Taken at or after this time.")
    until: AwareTime | None = Field(None, description="Taken before this time.")

    @model_validator(mode="after")
    def _in_order(self) -> HistoryQuery:
        _check_order(self.since, self.until)
        return self


class PortfolioValue(Model):
    """What the portfolio was worth: the last value of an interval."""

    time: UtcTime = Field(description="When the value was taken.")
    total_value: Money
    reference_market: str


def _check_order(since: AwareTime | None, until: AwareTime | None) -> None:
    if since is not None and until is not None and until <= since:
        raise ValueError("until: must be later than since")
