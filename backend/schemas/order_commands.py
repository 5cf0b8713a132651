"""Models of order commands beyond placing one: preview, batch, change, cancel many."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from backend.schemas.common import (
    AwareTime,
    Model,
    Money,
    PositiveMoney,
    ProblemField,
    RequestModel,
    Symbol,
)
from backend.schemas.orders import Fee, NewOrder, Order, Side

MAX_BATCH = 50


class OrderChange(RequestModel):
    """New values for an open order; what is left out stays."""

    quantity: PositiveMoney | None = None
    price: PositiveMoney | None = None
    stop_price: PositiveMoney | None = None
    valid_until: AwareTime | None = Field(
        None, description="When the order ends as `expired`, where the exchange can."
    )

    @model_validator(mode="after")
    def _changes_something(self) -> OrderChange:
        if not any((self.quantity, self.price, self.stop_price, self.valid_until)):
            raise ValueError(
                "quantity: one of quantity, price, stop_price and valid_until is required"
            )
        return self


class ChangedOrder(Model):
    """An order after a change, and how the exchange made it."""

    order: Order
    method: Literal["edited", "replaced"] = Field(
        description="`replaced`: the exchange canceled the order and placed another one."
    )


class Refusal(Model):
    """One rule that would refuse the order."""

    type: str = Field(examples=["insufficient_funds"])
    details: str | None


class FundsAfter(Model):
    """Available amounts once the order is placed, and once it has filled."""

    asset: str
    available: Money
    after_placing: Money
    after_filling: Money


class OrderPreview(Model):
    """What would become of an order, without placing it."""

    accepted: bool
    refusals: list[Refusal]
    quantity: Money = Field(description="The quantity, rounded down to the exchange's step.")
    price: Money = Field(description="The price it would fill at, rounded to the exchange's step.")
    cost: Money
    fee: Fee | None
    funds: list[FundsAfter]


class OrderBatch(RequestModel):
    """Orders to place one after the other."""

    orders: list[NewOrder] = Field(min_length=1, max_length=MAX_BATCH)


class OrderProblem(Model):
    """Why one order of several was not placed or canceled."""

    code: int
    type: str
    error: str
    details: str | None
    fields: list[ProblemField] | None = None


class OrderResult(Model):
    """What became of one order of several: the order, or why not."""

    id: str | None = None
    order: Order | None = None
    problem: OrderProblem | None = None


class CancelQuery(RequestModel):
    """Filters of the open orders to cancel; all of them if left out."""

    symbol: Symbol | None = None
    side: Side | None = None


class CancelAllAfter(RequestModel):
    """Arms, renews or disarms the dead-man switch."""

    timeout_s: int = Field(
        ge=0, le=86_400, description="Cancel all open orders after so many seconds; 0 disarms."
    )


class DeadManSwitch(Model):
    """The dead-man switch as it stands."""

    armed: bool
    timeout_s: int
    cancels_at: str | None = Field(description="When all orders will be canceled; RFC 3339 UTC.")
