"""Checks of a new order against the exchange's rules and its own prices."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial

from backend.bridge.octobot.exchange import Exchange
from backend.bridge.octobot.order_kinds import TRIGGERS_ABOVE
from backend.bridge.octobot.trading_rules import check_cost, check_price, check_quantity
from backend.bridge.orders.factory import is_marketable
from backend.errors import (
    ExitOnWrongSide,
    OrderRefused,
    PositionExceeded,
    PriceWouldTakeAtOnce,
    ReduceOnlyNotSupported,
    ReduceOnlyWouldOpen,
    StopPriceReached,
    ValidUntilPassed,
)
from backend.schemas.common import decimal_text, time_text, utc_now
from backend.schemas.markets import Market
from backend.schemas.orders import NewOrder


def refusals(exchange: Exchange, asked: NewOrder, price: Decimal) -> list[OrderRefused]:
    """Return each rule that the order breaks at this price; funds are not checked."""
    rules = exchange.rules(asked.symbol)
    checks: list[Callable[[], None]] = [
        lambda: exchange.order_mapping.check_supported(asked),
        lambda: exchange.order_mapping.check_options(asked),
        lambda: _check_valid_until(asked),
        lambda: check_quantity(rules, asked.quantity),
        lambda: _check_prices(exchange, rules, asked),
        lambda: check_cost(rules, asked.quantity, asked.price or asked.stop_price or price),
        lambda: _check_trigger(asked, price),
        lambda: _check_post_only(exchange, asked, price),
        lambda: _check_exits(asked, price),
        lambda: _check_reduce_only(exchange, asked),
    ]
    broken = []
    for check in checks:
        try:
            check()
        except OrderRefused as refusal:
            broken.append(refusal)
    return broken


def _check_prices(exchange: Exchange, rules: Market, asked: NewOrder) -> None:
    nearest = partial(exchange.nearest_price, asked.symbol)
    prices = {
        "price": asked.price,
        "stop_price": asked.stop_price,
        "take_profit.price": asked.take_profit.price if asked.take_profit else None,
        "stop_loss.stop_price": asked.stop_loss.stop_price if asked.stop_loss else None,
        "stop_loss.price": asked.stop_loss.price if asked.stop_loss else None,
    }
    for field, value in prices.items():
        if value is not None:
            check_price(rules, value, field, nearest)


def _check_valid_until(asked: NewOrder) -> None:
    if asked.valid_until is not None and asked.valid_until <= utc_now():
        raise ValidUntilPassed(f"valid_until: {time_text(asked.valid_until)} has passed")


def _check_post_only(exchange: Exchange, asked: NewOrder, price: Decimal) -> None:
    if not asked.post_only or asked.price is None or exchange.order_mapping.reports_taking:
        return
    if is_marketable(asked.side, asked.price, price):
        raise PriceWouldTakeAtOnce(
            f"post_only: the order would fill at once, the price is {decimal_text(price)}"
        )


def _check_trigger(asked: NewOrder, price: Decimal) -> None:
    stop = asked.stop_price
    if stop is None:
        return
    above = (asked.type, asked.side) in TRIGGERS_ABOVE
    if price >= stop if above else price <= stop:
        raise StopPriceReached(f"stop_price: the price is {decimal_text(price)} already")


def _check_exits(asked: NewOrder, price: Decimal) -> None:
    """Raise unless a take profit is on the side of profit and a stop loss on the other."""
    entry = asked.price or asked.stop_price or price
    sign = 1 if asked.side == "buy" else -1
    if asked.take_profit is not None and (asked.take_profit.price - entry) * sign <= 0:
        raise ExitOnWrongSide(f"take_profit.price: the entry is at {decimal_text(entry)}")
    if asked.stop_loss is not None and (asked.stop_loss.stop_price - entry) * sign >= 0:
        raise ExitOnWrongSide(f"stop_loss.stop_price: the entry is at {decimal_text(entry)}")


def _check_reduce_only(exchange: Exchange, asked: NewOrder) -> None:
    if asked.reduce_only and not exchange.is_futures:
        raise ReduceOnlyNotSupported(f"reduce_only: {exchange.name} trades spot here")
    if asked.reduce_only and not exchange.order_mapping.reports_overshooting:
        check_reduces(exchange.account.position_size(asked.symbol), asked)


def check_reduces(size: Decimal, asked: NewOrder) -> None:
    """Raise the reason why an order does not only reduce a position (below zero: a short one)."""
    if size == 0 or (size > 0) == (asked.side == "buy"):
        raise ReduceOnlyWouldOpen(f"reduce_only: there is no position to {asked.side}")
    if asked.quantity > abs(size):
        raise PositionExceeded(f"quantity: the position is {decimal_text(abs(size))}")
