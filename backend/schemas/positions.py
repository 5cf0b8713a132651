"""Models of futures positions: state, closing, contract settings."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, model_validator

from backend.schemas.common import Model, Money, PositiveMoney, RequestModel, Symbol, UtcTime
from backend.schemas.orders import CLIENT_ID, TAG

MarginMode = Literal["isolated", "cross"]
PositionSide = Literal["long", "short"]

_EXCHANGE = Field(
    None,
    pattern=r"^[a-z0-9_]{1,32}$",
    description="May be left out while the bot has one exchange.",
)


class Position(Model):
    """A position, or the settings of a contract in which none is open."""

    exchange: str
    symbol: str
    side: PositionSide | None = Field(description="Null while nothing is open.")
    quantity: Money = Field(description="Amount of the base asset, for both sides above zero.")
    entry_price: Money | None = Field(description="Average price of what is open.")
    mark_price: Money | None
    unrealized_pnl: Money = Field(
        description="What closing at the mark price would gain, before fees."
    )
    realized_pnl: Money = Field(
        description="What the position has brought since it was opened: gains of closed parts,"
        " less all fees and funding."
    )
    margin: Money = Field(description="What the position holds back of the balance.")
    leverage: Money
    margin_mode: MarginMode
    liquidation_price: Money | None = Field(
        description="Null if no price liquidates it, or if the exchange does not tell."
    )
    opened_at: UtcTime | None


class PositionQuery(RequestModel):
    """Filters of positions."""

    status: Literal["open", "all"] = Field(
        "open", description="`all` also lists contracts without a position, for their settings."
    )
    symbol: Symbol | None = None
    side: PositionSide | None = None
    exchange: str | None = _EXCHANGE


class PositionPlace(RequestModel):
    """Query parameter that selects a position's exchange."""

    exchange: str | None = _EXCHANGE


class ClosePosition(RequestModel):
    """How to close a position: at the market, or with a limit order that rests."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"type": "market", "quantity": "0.001"}]}
    )

    type: Literal["market", "limit"] = "market"
    quantity: PositiveMoney | None = Field(
        None, description="Amount of the base asset; the whole position if left out."
    )
    price: PositiveMoney | None = Field(None, description="Limit price; for `limit`.")
    exchange: str | None = _EXCHANGE
    client_order_id: str | None = Field(None, pattern=CLIENT_ID)
    tag: str | None = Field(None, pattern=TAG)

    @model_validator(mode="after")
    def _price_fits_the_type(self) -> ClosePosition:
        if (self.price is not None) != (self.type == "limit"):
            raise ValueError("price: is required for a limit close, and not taken at the market")
        return self


class PositionChange(RequestModel):
    """New settings of a contract and of what is open in it; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"leverage": 2}]})

    leverage: int | None = Field(None, ge=1, le=1000, strict=True)
    margin_mode: MarginMode | None = None
    exchange: str | None = _EXCHANGE

    @model_validator(mode="after")
    def _changes_something(self) -> PositionChange:
        if self.leverage is None and self.margin_mode is None:
            raise ValueError("leverage: one of leverage and margin_mode is required")
        return self
