"""Orders: what a client asks for, and what became of it."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, model_validator

from backend.schemas.common import (
    Model,
    Money,
    PageQuery,
    PositiveMoney,
    RequestModel,
    Symbol,
    UtcTime,
)

Side = Literal["buy", "sell"]
OrderType = Literal[
    "market",
    "limit",
    "stop_loss",
    "stop_limit",
    "take_profit",
    "take_profit_limit",
    "trailing_stop",
]
NewOrderType = Literal["market", "limit", "stop_loss", "take_profit"]
OrderStatus = Literal[
    "open", "partially_filled", "filled", "canceled", "rejected", "expired", "unknown"
]

_CLIENT_ID = r"^[A-Za-z0-9_.:\-]{1,64}$"
_NEEDS_PRICE = frozenset({"limit"})
_NEEDS_STOP = frozenset({"stop_loss", "take_profit"})


class NewOrder(RequestModel):
    """An order to place."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "symbol": "BTC/USDT",
                    "side": "buy",
                    "type": "limit",
                    "quantity": "0.001",
                    "price": "20000",
                }
            ]
        }
    )

    symbol: Symbol
    side: Side
    type: NewOrderType
    quantity: PositiveMoney = Field(description="Amount of the base asset.")
    price: PositiveMoney | None = Field(
        None, description="Limit price, in the quote asset; for `limit`."
    )
    stop_price: PositiveMoney | None = Field(
        None, description="Trigger price, in the quote asset; for `stop_loss` and `take_profit`."
    )
    exchange: str | None = Field(
        None,
        pattern=r"^[a-z0-9_]{1,32}$",
        description="May be left out while the bot has one exchange.",
    )
    reduce_only: bool = False
    client_order_id: str | None = Field(None, pattern=_CLIENT_ID)
    tag: str | None = Field(None, pattern=r"^[A-Za-z0-9_.:\- ]{1,64}$")

    @model_validator(mode="after")
    def _prices_fit_the_type(self) -> NewOrder:
        _check("price", self.price is not None, self.type in _NEEDS_PRICE, self.type)
        _check("stop_price", self.stop_price is not None, self.type in _NEEDS_STOP, self.type)
        return self


def _check(field: str, given: bool, wanted: bool, order_type: str) -> None:
    if wanted and not given:
        raise ValueError(f"{field}: is required for a {order_type} order")
    if given and not wanted:
        raise ValueError(f"{field}: is not taken by a {order_type} order")


class OrderQuery(PageQuery):
    """Filters of the order list."""

    status: Literal["open", "closed", "all"] = "open"
    symbol: Symbol | None = None


class Fee(Model):
    """What the exchange took."""

    cost: Money
    currency: str


class Order(Model):
    """An order as it stands."""

    id: str
    client_order_id: str | None
    exchange: str
    symbol: str
    side: Side
    type: OrderType
    status: OrderStatus
    quantity: Money
    filled: Money
    remaining: Money
    price: Money | None
    stop_price: Money | None
    average_price: Money | None
    cost: Money
    fee: Fee | None
    reduce_only: bool
    tag: str | None
    created_at: UtcTime
    updated_at: UtcTime
