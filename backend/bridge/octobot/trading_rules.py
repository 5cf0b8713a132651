"""Trading rules of an exchange for a symbol, and the checks against them; nothing is rounded."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Any

import ccxt

from backend.bridge.octobot.conversion import decimal_or_none
from backend.errors import (
    CostAboveMaximum,
    CostBelowMinimum,
    PriceOffTick,
    PriceOutOfRange,
    QuantityAboveMaximum,
    QuantityBelowMinimum,
    QuantityOffStep,
)
from backend.schemas.common import decimal_text
from backend.schemas.markets import Limits, Market

# The default context has fewer digits than the product or quotient of two amounts may need.
_EXACT = Context(prec=100)


def read_rules(manager: Any, symbol: str) -> Market:
    """Return the rules of a symbol from ccxt's market."""
    client = manager.exchange.connector.client
    raw = client.market(symbol)
    limits = raw.get("limits") or {}
    precision = raw.get("precision") or {}
    return Market(
        exchange=manager.exchange_name,
        symbol=symbol,
        base=raw["base"],
        quote=raw["quote"],
        price_step=_step(client.precisionMode, precision.get("price")),
        quantity_step=_step(client.precisionMode, precision.get("amount")),
        quantity=_limits(limits.get("amount")),
        price=_limits(limits.get("price")),
        cost=_limits(limits.get("cost")),
        maker_fee=decimal_or_none(raw.get("maker")),
        taker_fee=decimal_or_none(raw.get("taker")),
    )


def check_quantity(rules: Market, quantity: Decimal) -> None:
    """Raise the rule that the quantity breaks."""
    unit = rules.base
    if rules.quantity.min is not None and quantity < rules.quantity.min:
        raise QuantityBelowMinimum(
            f"quantity: {_text(quantity)} {unit} is below the minimum {_text(rules.quantity.min)}"
        )
    if rules.quantity.max is not None and quantity > rules.quantity.max:
        raise QuantityAboveMaximum(
            f"quantity: {_text(quantity)} {unit} is above the maximum {_text(rules.quantity.max)}"
        )
    if rules.quantity_step is not None and _EXACT.remainder(quantity, rules.quantity_step):
        raise QuantityOffStep(
            f"quantity: {_text(quantity)} is not a multiple of {_text(rules.quantity_step)} {unit}"
        )


def check_price(rules: Market, price: Decimal, field: str) -> None:
    """Raise the rule that the price (the request's field `field`) breaks."""
    low, high = rules.price.min, rules.price.max
    if (low is not None and price < low) or (high is not None and price > high):
        raise PriceOutOfRange(
            f"{field}: {_text(price)} is not between {_text(low)} and {_text(high)} {rules.quote}"
        )
    if rules.price_step is not None and _EXACT.remainder(price, rules.price_step):
        raise PriceOffTick(
            f"{field}: {_text(price)} is not a multiple of {_text(rules.price_step)} {rules.quote}"
        )


def check_cost(rules: Market, quantity: Decimal, price: Decimal) -> None:
    """Raise the rule that quantity times price breaks."""
    cost, unit = _EXACT.multiply(quantity, price), rules.quote
    if rules.cost.min is not None and cost < rules.cost.min:
        raise CostBelowMinimum(
            f"quantity: costs {_text(cost)} {unit}, the minimum is {_text(rules.cost.min)} {unit}"
        )
    if rules.cost.max is not None and cost > rules.cost.max:
        raise CostAboveMaximum(
            f"quantity: costs {_text(cost)} {unit}, the maximum is {_text(rules.cost.max)} {unit}"
        )


def _step(mode: int, precision: Any) -> Decimal | None:
    number = decimal_or_none(precision)
    if number is None:
        return None
    if mode == ccxt.TICK_SIZE:
        return number or None
    if mode == ccxt.DECIMAL_PLACES:
        return Decimal(1).scaleb(-int(number))
    return None  # significant digits: the step depends on the number itself


def _limits(raw: dict[str, Any] | None) -> Limits:
    raw = raw or {}
    return Limits(min=decimal_or_none(raw.get("min")), max=decimal_or_none(raw.get("max")))


def _text(value: Decimal | None) -> str:
    return "any" if value is None else decimal_text(value)
