"""In-memory risk limits and daily loss, checked before each order."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

from backend.accounting.decimals import EXACT, ZERO
from backend.errors import (
    OrderRefused,
    RiskMaxDailyLoss,
    RiskMaxOpenOrders,
    RiskMaxOrderValue,
    RiskSymbols,
)
from backend.schemas.common import decimal_text

ValueSeries = tuple[str, str]
"""Account name (of all accounts together) and reference market of a series of values."""


@dataclass(frozen=True, slots=True)
class TradingDay:
    """Opening, newest and lowest account value of one UTC day.

    Values of different `series` cannot be compared, nor those of different assets. The
    day compares the `counted` assets; the `left_out` ones had no price when they were
    first held that day, and count on neither side even if a price comes. While a counted
    asset is `unpriced` the loss is not known.
    """

    series: ValueSeries
    counted_since: datetime
    opening_value: Decimal
    value: Decimal
    lowest_value: Decimal
    counted: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()

    @property
    def loss(self) -> Decimal:
        """The decline from the opening to the newest value; 0 when it has grown."""
        return max(ZERO, EXACT.subtract(self.opening_value, self.value))

    @property
    def worst_loss(self) -> Decimal:
        """The decline from the opening to the lowest value."""
        return max(ZERO, EXACT.subtract(self.opening_value, self.lowest_value))


class RiskLimits:
    """The limits in force: those of the settings with changes at run time. Thread-safe.

    Reading takes no lock: limits and day are immutable and replaced as a whole. A day begins with
    its first value after midnight UTC, or of another series. A loss that has reached the limit
    counts until `resume` or the next day, even if the value recovers.
    """

    def __init__(self, settings: Limits) -> None:
        self._settings = settings
        self._changed: Mapping[str, Any] = {}
        self._limits = settings
        self._day: TradingDay | None = None
        self._unpriced: frozenset[str] = frozenset()
        self._lock = threading.Lock()

    @property
    def day(self) -> TradingDay | None:
        """The present day; None until a value was recorded."""
        return self._day

    @property
    def unpriced(self) -> frozenset[str]:
        """Assets without a price because of which the day's loss is not known now."""
        return self._unpriced

    @property
    def changed(self) -> frozenset[str]:
        """The names of the limits that a change at run time overrides."""
        return frozenset(self._changed)

    @property
    def loss_limit_reached(self) -> bool:
        """Whether trading is blocked until `resume` or the next day."""
        limit, day = self._limits.max_daily_loss, self._day
        return limit is not None and day is not None and day.worst_loss >= limit

    def current(self) -> Limits:
        """Return the limits in force."""
        return self._limits

    def change(self, changed: Mapping[str, Any]) -> None:
        """Replace all changes at run time; limits without a change keep the settings' values."""
        with self._lock:
            self._changed = dict(changed)
            self._limits = replace(self._settings, **changed)

    def broken_limits(self, order: OrderRisk) -> list[OrderRefused]:
        """Return each limit that an order would break, as the error that names it."""
        return list(broken_limits(self._limits, order, self._worst_loss(), self._unpriced))

    def check(self, order: OrderRisk) -> None:
        """Raise the error that names the first limit that an order would break."""
        check_order(self._limits, order, self._worst_loss(), self._unpriced)

    def record_values(
        self,
        series: ValueSeries,
        values: Mapping[str, Decimal],
        at: datetime,
        unpriced: frozenset[str] = frozenset(),
        pending: frozenset[str] = frozenset(),
    ) -> None:
        """Record the value of each asset in the reference market.

        Those `unpriced` have none. The price of a `pending` asset is missing or stale
        and may still come: no day begins with one.
        """
        with self._lock:
            day = self._day
            if day is None or day.series != series or _date(at) > _date(day.counted_since):
                self._unpriced = pending
                if not pending:
                    self._day = _new_day(series, values, at, unpriced)
                return
            left_out = day.left_out | (unpriced - pending - day.counted)
            self._unpriced = (unpriced | pending) - left_out
            if self._unpriced:
                return
            value = _sum(values, left_out)
            self._day = replace(
                day,
                value=value,
                lowest_value=min(value, day.lowest_value),
                counted=day.counted | (values.keys() - left_out),
                left_out=left_out,
            )

    def restore(self, day: TradingDay) -> None:
        """Restore the day from before a restart; the next value may begin another."""
        with self._lock:
            self._day = day

    def resume(self, at: datetime) -> None:
        """Reset the day's loss to zero: a user has resumed trading."""
        with self._lock:
            if self._day is not None:
                value = self._day.value
                self._day = replace(
                    self._day, counted_since=at, opening_value=value, lowest_value=value
                )

    def _worst_loss(self) -> Decimal:
        return ZERO if self._day is None else self._day.worst_loss


def _new_day(
    series: ValueSeries, values: Mapping[str, Decimal], at: datetime, unpriced: frozenset[str]
) -> TradingDay:
    value = _sum(values, unpriced)
    return TradingDay(series, at, value, value, value, frozenset(values) - unpriced, unpriced)


def _sum(values: Mapping[str, Decimal], left_out: frozenset[str]) -> Decimal:
    total = ZERO
    for asset, value in values.items():
        if asset not in left_out:
            total = EXACT.add(total, value)
    return total


def _date(at: datetime) -> date:
    return at.astimezone(timezone.utc).date()


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits for orders; None where there is no limit. Values are in the reference market.

    `max_daily_loss` applies to the whole account's value, since midnight UTC.
    """

    max_order_value: Decimal | None = None
    max_open_orders: int | None = None
    symbols: frozenset[str] | None = None
    max_daily_loss: Decimal | None = None


@dataclass(frozen=True, slots=True)
class OrderRisk:
    """The figures of an order that are checked against the limits.

    `value` is in the reference market, None if it is unknown there; `open_orders` is
    the number of open orders with it, 0 for an order that leaves none open.
    """

    symbol: str
    value: Decimal | None
    open_orders: int


def broken_limits(
    limits: Limits,
    order: OrderRisk,
    daily_loss: Decimal,
    unpriced: frozenset[str] = frozenset(),
) -> Iterator[OrderRefused]:
    """Yield an error for each limit that an order would exceed; equality is allowed.

    The daily loss is the exception: it is reached when it equals its limit. It is not
    known while assets are `unpriced`, and may have reached it.
    """
    if limits.max_daily_loss is not None and daily_loss >= limits.max_daily_loss:
        yield RiskMaxDailyLoss(
            f"max_daily_loss is {decimal_text(limits.max_daily_loss)}, "
            f"the loss of this day is {decimal_text(daily_loss)}"
        )
    elif limits.max_daily_loss is not None and unpriced:
        yield RiskMaxDailyLoss(
            f"max_daily_loss is {decimal_text(limits.max_daily_loss)}, the loss of this day is"
            f" not known: no price of {', '.join(sorted(unpriced))}"
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


def check_order(
    limits: Limits,
    order: OrderRisk,
    daily_loss: Decimal,
    unpriced: frozenset[str] = frozenset(),
) -> None:
    """Raise the error that names the first limit that an order would break."""
    for error in broken_limits(limits, order, daily_loss, unpriced):
        raise error
