"""Risk limits as plain data, and the check of an order against them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from backend.errors import (
    OrderRefused,
    RiskMaxDailyLoss,
    RiskMaxOpenOrders,
    RiskMaxOrderValue,
    RiskSymbols,
)
from backend.schemas.common import decimal_text


@dataclass(frozen=True, slots=True)
class Limits:
    """What orders must keep to; None where there is no limit. Values are in the reference market.

    `max_daily_loss` is of the whole account's value, since midnight UTC.
    """

    max_order_value: Decimal | None = None
    max_open_orders: int | None = None
    symbols: frozenset[str] | None = None
    max_daily_loss: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Risked:
    """What an order would put at risk.

    `value` is in the reference market, None if it is not known there;
    `open_orders` how many would be open with it, 0 for one that leaves none open.
    """

    symbol: str
    value: Decimal | None
    open_orders: int


def broken_limits(limits: Limits, order: Risked, daily_loss: Decimal) -> Iterator[OrderRefused]:
    """Name each limit that an order would break; one that equals its limit keeps to it.

    The daily loss is the exception: it is reached when it equals its limit.
    """
    if limits.max_daily_loss is not None and daily_loss >= limits.max_daily_loss:
        yield RiskMaxDailyLoss(
            f"max_daily_loss is {decimal_text(limits.max_daily_loss)}, "
            f"the loss of this day is {decimal_text(daily_loss)}"
        )
    if limits.symbols is not None and order.symbol not in limits.symbols:
        allowed = ", ".join(sorted(limits.symbols))
        yield RiskSymbols(f"symbols is {allowed}; {order.symbol} is not among them")
    if limits.max_order_value is not None:
        limit = decimal_text(limits.max_order_value)
        if order.value is None:
            yield RiskMaxOrderValue(f"max_order_value is {limit}, the order's value is not known")
        elif order.value > limits.max_order_value:
            value = decimal_text(order.value)
            yield RiskMaxOrderValue(f"max_order_value is {limit}, the order's value is {value}")
    if limits.max_open_orders is not None and order.open_orders > limits.max_open_orders:
        yield RiskMaxOpenOrders(
            f"max_open_orders is {limits.max_open_orders}, "
            f"with this order {order.open_orders} would be open"
        )


def check_order(limits: Limits, order: Risked, daily_loss: Decimal) -> None:
    """Raise the error that names the first limit that an order would break."""
    for broken in broken_limits(limits, order, daily_loss):
        raise broken
