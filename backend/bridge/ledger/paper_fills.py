"""Fills of paper orders at several prices: planned before OctoBot's one fill, booked with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from backend.accounting.decimals import EXACT, ZERO, round_for_response
from backend.bridge.octobot.conversion import trade_of_fill
from backend.bridge.octobot.order import RawOrder
from backend.schemas.orders import Fee, Order
from backend.schemas.trades import Trade


class PaperFill(NamedTuple):
    """An execution of a part of an order."""

    price: Decimal
    quantity: Decimal
    fee: Fee


@dataclass(frozen=True, slots=True)
class PaperExecution:
    """Everything that executes of an order that asked for `quantity`; the rest is canceled."""

    quantity: Decimal
    fills: Sequence[PaperFill]

    @property
    def filled(self) -> Decimal:
        """The executed quantity."""
        return sum((fill.quantity for fill in self.fills), ZERO)

    @property
    def cost(self) -> Decimal:
        """Quantity times price, in the quote asset, without fees."""
        return sum((EXACT.multiply(fill.price, fill.quantity) for fill in self.fills), ZERO)


Executions = dict[str, PaperExecution]
"""Planned executions by order id, until the fill that OctoBot reports."""


def book(executions: Executions, raw: RawOrder, order: Order) -> tuple[Order, Sequence[Trade]]:
    """Return a filled paper order as it was executed, and its trades."""
    execution = executions.pop(order.id, None)
    if execution is None:
        return order, [trade_of_fill(raw, order)]
    filled, cost = execution.filled, execution.cost
    fee = Fee(
        cost=sum((fill.fee.cost for fill in execution.fills), ZERO),
        currency=execution.fills[0].fee.currency,
    )
    order = order.model_copy(
        update={
            "status": "filled" if filled == execution.quantity else "canceled",
            "quantity": execution.quantity,
            "filled": filled,
            "remaining": execution.quantity - filled,
            "cost": cost,
            "average_price": round_for_response(EXACT.divide(cost, filled)),
            "fee": fee,
        }
    )
    first = trade_of_fill(raw, order)
    return order, [
        first.model_copy(
            update={
                "id": order.id if number == 1 else f"{order.id}-{number}",
                "price": fill.price,
                "quantity": fill.quantity,
                "cost": EXACT.multiply(fill.price, fill.quantity),
                "fee": fill.fee,
                "liquidity": "taker",
            }
        )
        for number, fill in enumerate(execution.fills, start=1)
    ]
