"""Checks of a new order against the exchange's rules and its own prices."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import octobot_trading.errors as trading_errors
import octobot_trading.personal_data as personal_data
from octobot_trading.enums import PositionSide

from backend.bridge.octobot.conversion import last_price
from backend.bridge.octobot.trading_rules import check_cost, check_price, check_quantity, read_rules
from backend.bridge.orders.factory import PRICE_TIMEOUT_S, TRIGGERS_ABOVE
from backend.errors import (
    BotNotReady,
    ExchangeUnreachable,
    ExitOnWrongSide,
    InvalidSymbol,
    OrderRefused,
    PositionExceeded,
    ReduceOnlyNotSupported,
    ReduceOnlyWouldOpen,
    StopPriceReached,
)
from backend.schemas.common import decimal_text
from backend.schemas.markets import Market
from backend.schemas.orders import NewOrder


async def price_of(manager: Any, symbol: str) -> Decimal:
    """Return the newest price, waiting a moment for the first one after a boot.

    Raises `InvalidSymbol` when the bot does not follow the symbol.
    """
    if symbol not in manager.exchange_config.traded_symbol_pairs:
        raise InvalidSymbol(f"{symbol} is not traded on {manager.exchange_name}")
    try:
        mark_price = await personal_data.get_up_to_date_price(
            manager, symbol, timeout=PRICE_TIMEOUT_S
        )
    except asyncio.TimeoutError:
        raise BotNotReady(f"no price of {symbol} has arrived yet") from None
    except trading_errors.UnreachableExchange:
        raise ExchangeUnreachable("the exchange does not answer") from None
    return last_price(manager, symbol) or Decimal(str(mark_price))


def refusals(manager: Any, asked: NewOrder, price: Decimal) -> list[OrderRefused]:
    """Return each rule that the order breaks at this price; funds are not looked at."""
    rules = read_rules(manager, asked.symbol)
    checks: list[Callable[[], None]] = [
        lambda: check_quantity(rules, asked.quantity),
        lambda: _check_prices(rules, asked),
        lambda: check_cost(rules, asked.quantity, asked.price or asked.stop_price or price),
        lambda: _check_trigger(asked, price),
        lambda: _check_exits(asked, price),
        lambda: _check_reduce_only(manager, asked),
    ]
    broken = []
    for check in checks:
        try:
            check()
        except OrderRefused as refusal:
            broken.append(refusal)
    return broken


def _check_prices(rules: Market, asked: NewOrder) -> None:
    prices = {
        "price": asked.price,
        "stop_price": asked.stop_price,
        "take_profit.price": asked.take_profit.price if asked.take_profit else None,
        "stop_loss.stop_price": asked.stop_loss.stop_price if asked.stop_loss else None,
        "stop_loss.price": asked.stop_loss.price if asked.stop_loss else None,
    }
    for field, value in prices.items():
        if value is not None:
            check_price(rules, value, field)


def _check_trigger(asked: NewOrder, price: Decimal) -> None:
    stop = asked.stop_price
    if stop is None:
        return
    above = (asked.type, asked.side) in TRIGGERS_ABOVE
    if price >= stop if above else price <= stop:
        raise StopPriceReached(f"stop_price: the price is {decimal_text(price)} already")


def _check_exits(asked: NewOrder, price: Decimal) -> None:
    """A take profit lies on the good side of the entry, a stop loss on the other."""
    entry = asked.price or asked.stop_price or price
    sign = 1 if asked.side == "buy" else -1
    if asked.take_profit is not None and (asked.take_profit.price - entry) * sign <= 0:
        raise ExitOnWrongSide(f"take_profit.price: the entry is at {decimal_text(entry)}")
    if asked.stop_loss is not None and (asked.stop_loss.stop_price - entry) * sign >= 0:
        raise ExitOnWrongSide(f"stop_loss.stop_price: the entry is at {decimal_text(entry)}")


def _check_reduce_only(manager: Any, asked: NewOrder) -> None:
    if asked.reduce_only and not manager.is_future:
        raise ReduceOnlyNotSupported(f"reduce_only: {manager.exchange_name} trades spot here")
    if asked.reduce_only and manager.is_trader_simulated:  # an exchange says so itself
        position = manager.exchange_personal_data.positions_manager.get_symbol_position(
            asked.symbol, PositionSide.BOTH
        )
        check_reduces(position.size, asked)


def check_reduces(size: Decimal, asked: NewOrder) -> None:
    """Raise what keeps an order from only reducing a position (below zero: a short one)."""
    if size == 0 or (size > 0) == (asked.side == "buy"):
        raise ReduceOnlyWouldOpen(f"reduce_only: there is no position to {asked.side}")
    if asked.quantity > abs(size):
        raise PositionExceeded(f"quantity: the position is {decimal_text(abs(size))}")
