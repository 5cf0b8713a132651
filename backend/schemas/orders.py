"""Models of orders: requests for new ones and their state."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, model_validator

from backend.schemas.common import (
    AwareTime,
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
TimeInForce = Literal["GTC", "IOC", "FOK"]
OrderStatus = Literal[
    "open", "partially_filled", "filled", "canceled", "rejected", "expired", "unknown"
]

CLIENT_ID = r"^[A-Za-z0-9_.:\-]{1,64}$"
TAG = r"^[A-Za-z0-9_.:\- ]{1,64}$"
_NEEDS_PRICE = frozenset({"limit", "stop_limit", "take_profit_limit"})
_NEEDS_STOP = frozenset(
    {"stop_loss", "stop_limit", "take_profit", "take_profit_limit", "trailing_stop"}
)


class StopLossExit(RequestModel):
    """Where to leave with a loss once the order has filled."""

    stop_price: PositiveMoney = Field(description="Trigger price, in the quote asset.")
    price: PositiveMoney | None = Field(
        None, description="Limit price after the trigger; a market order if left out."
    )


class TakeProfitExit(RequestModel):
    """Where to leave with a profit once the order has filled."""

    price: PositiveMoney = Field(description="Limit price of the exit, in the quote asset.")


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
    type: OrderType
    quantity: PositiveMoney = Field(description="Amount of the base asset.")
    price: PositiveMoney | None = Field(
        None, description="Limit price, in the quote asset; for the limit types."
    )
    stop_price: PositiveMoney | None = Field(
        None,
        description="Trigger price, in the quote asset; for stops and take profits. A trailing"
        " stop starts here and keeps its distance to the best price since.",
    )
    exchange: str | None = Field(
        None,
        pattern=r"^[a-z0-9_]{1,32}$",
        description="May be left out while the bot has one exchange.",
    )
    reduce_only: bool = False
    client_order_id: str | None = Field(None, pattern=CLIENT_ID)
    tag: str | None = Field(None, pattern=TAG)
    time_in_force: TimeInForce = Field(
        "GTC",
        description="`GTC` rests until it fills or is canceled. `IOC` and `FOK`, for limit and"
        " market orders, end at once: what does not fill is canceled, or, with `FOK`, all of it"
        " unless all fills.",
    )
    post_only: bool = Field(
        False, description="Refuse a limit order that would fill at once instead of resting."
    )
    valid_until: AwareTime | None = Field(
        None, description="When a resting order ends, as `expired`; not for market orders."
    )
    take_profit: TakeProfitExit | None = Field(
        None, description="Exit to place on this order's fill; its own fill cancels `stop_loss`."
    )
    stop_loss: StopLossExit | None = Field(
        None, description="Exit to place on this order's fill; its own fill cancels `take_profit`."
    )

    @model_validator(mode="after")
    def _prices_fit_the_type(self) -> NewOrder:
        _check("price", self.price is not None, self.type in _NEEDS_PRICE, self.type)
        _check("stop_price", self.stop_price is not None, self.type in _NEEDS_STOP, self.type)
        if self.reduce_only and (self.take_profit or self.stop_loss):
            raise ValueError("reduce_only: an order that only reduces takes no exits")
        return self

    @model_validator(mode="after")
    def _time_options_fit_the_type(self) -> NewOrder:
        ends_at_once = self.time_in_force != "GTC"
        if ends_at_once and self.type not in ("limit", "market"):
            raise ValueError(f"time_in_force: a {self.type} order takes GTC only")
        if self.post_only and (self.type != "limit" or ends_at_once):
            raise ValueError("post_only: is taken by limit orders that rest only")
        if self.valid_until is not None and (self.type == "market" or ends_at_once):
            raise ValueError("valid_until: is taken by orders that rest only")
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
    side: Side | None = None
    since: AwareTime | None = Field(None, description="Created at or after this time.")
    until: AwareTime | None = Field(None, description="Created before this time.")
    client_order_id: str | None = Field(None, pattern=CLIENT_ID)


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
    fee: Fee | None = Field(description="Null while it is not known, and when `fees` are several.")
    fees: tuple[Fee, ...] = Field(
        default=(), description="Fees in more than one currency; empty otherwise."
    )
    parent_order_id: str | None = Field(
        default=None,
        description="The order whose fill placed this one: its take profit or stop loss.",
    )
    reduce_only: bool
    time_in_force: TimeInForce = "GTC"
    post_only: bool = False
    valid_until: UtcTime | None = Field(default=None, description="When it ends as `expired`.")
    tag: str | None
    created_at: UtcTime
    updated_at: UtcTime
