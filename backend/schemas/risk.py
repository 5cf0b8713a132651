"""Models of the risk limits for orders."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from backend.schemas.common import Model, Money, PositiveMoney, RequestModel, Symbol, UtcTime

LimitSource = Literal["off", "setting", "changed"]


class RiskChange(RequestModel):
    """New limits: what is left out stays, null goes back to the setting."""

    max_order_value: PositiveMoney | None = Field(
        None, description="Largest value of one order, in the reference market."
    )
    max_open_orders: int | None = Field(
        None, ge=0, le=1_000_000, description="Most orders open at once."
    )
    symbols: list[Symbol] | None = Field(
        None, min_length=1, max_length=1000, description="The only symbols that may be traded."
    )
    max_daily_loss: PositiveMoney | None = Field(
        None, description="Loss of value since midnight UTC, in the reference market, that pauses."
    )


class RiskSources(Model):
    """Where each limit comes from."""

    max_order_value: LimitSource
    max_open_orders: LimitSource
    symbols: LimitSource
    max_daily_loss: LimitSource


class RiskDay(Model):
    """Loss since midnight UTC, or since trading was resumed after the limit was reached."""

    counted_since: UtcTime
    opening_value: Money
    value: Money
    loss: Money | None = Field(
        description="Zero when the value has grown; null while it is not known."
    )
    unpriced: list[str] = Field(
        description="Assets whose missing price leaves the loss unknown: orders are refused"
        " meanwhile if `max_daily_loss` is set."
    )
    left_out: list[str] = Field(
        description="Assets that had no price when they were first held that day: they count on"
        " neither side."
    )
    limit_reached: bool = Field(description="Trading is paused until resumed or midnight UTC.")


class Risk(Model):
    """The limits in force; null where there is none."""

    max_order_value: Money | None
    max_open_orders: int | None
    symbols: list[str] | None
    max_daily_loss: Money | None
    sources: RiskSources
    reference_market: str | None = Field(description="Null until the bot has run.")
    day: RiskDay | None = Field(description="Null until the portfolio's value is known.")
