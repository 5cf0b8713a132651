"""Trading rules of an exchange for a symbol, and the checks against them; nothing is rounded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Context, Decimal
from typing import Any

import ccxt
import ccxt.async_support

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

ONE = Decimal(1)
# The default context has fewer digits than the product or quotient of two amounts may need.
_EXACT = Context(prec=100)


def read_rules(manager: Any, symbol: str) -> Market:
    """Return the rules of a symbol from ccxt's market."""
    client = manager.exchange.connector.client
    raw = client.market(symbol)
    limits = raw.get("limits") or {}
    precision = raw.get("precision") or {}
    size = contract_size(raw)
    return Market(
        exchange=manager.exchange_name,
        symbol=symbol,
        base=raw["base"],
        quote=raw["quote"],
        price_step=None if _rounds_prices_itself(client) else _step(client, precision.get("price")),
        quantity_step=_scaled(_step(client, precision.get("amount")), size),
        quantity=_limits(limits.get("amount"), size),
        price=_limits(limits.get("price")),
        cost=_limits(limits.get("cost")),
        contract_size=size if raw.get("contract") else None,
        max_leverage=decimal_or_none((limits.get("leverage") or {}).get("max")),
        maker_fee=decimal_or_none(raw.get("maker")),
        taker_fee=decimal_or_none(raw.get("taker")),
    )


def contract_size(raw: Mapping[str, Any]) -> Decimal:
    """Return the base quantity of one contract of a ccxt market, 1 on spot markets."""
    return decimal_or_none(raw.get("contractSize")) or ONE if raw.get("contract") else ONE


def nearest_price(client: Any, symbol: str, price: Decimal) -> Decimal:
    """Return the price that ccxt's client would send for this one, 0 below the smallest."""
    if client.market(symbol)["precision"]["price"] is None:
        return price
    try:
        return Decimal(client.price_to_precision(symbol, f"{price:f}"))
    except ccxt.InvalidOrder:
        return Decimal(0)


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


def check_price(
    rules: Market, price: Decimal, field: str, nearest: Callable[[Decimal], Decimal]
) -> None:
    """Raise the rule that the price (the request's field `field`) breaks.

    `nearest` returns the price that would be sent, for markets without a fixed step.
    """
    low, high = rules.price.min, rules.price.max
    if (low is not None and price < low) or (high is not None and price > high):
        raise PriceOutOfRange(
            f"{field}: {_text(price)} is not between {_text(low)} and {_text(high)} {rules.quote}"
        )
    if rules.price_step is not None and _EXACT.remainder(price, rules.price_step):
        raise PriceOffTick(
            f"{field}: {_text(price)} is not a multiple of {_text(rules.price_step)} {rules.quote}"
        )
    if rules.price_step is None and (sent := nearest(price)) != price:
        raise PriceOffTick(f"{field}: {_text(price)} has too many digits, try {_text(sent)}")


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


def _rounds_prices_itself(client: Any) -> bool:
    """Return whether the step depends on the price: by significant digits, or rules of its own."""
    own = type(client).price_to_precision is not ccxt.async_support.Exchange.price_to_precision
    return own or client.precisionMode == ccxt.SIGNIFICANT_DIGITS


def _step(client: Any, precision: Any) -> Decimal | None:
    number = decimal_or_none(precision)
    if number is None:
        return None
    if client.precisionMode == ccxt.TICK_SIZE:
        return number or None
    if client.precisionMode == ccxt.DECIMAL_PLACES:
        return ONE.scaleb(-int(number))
    return None  # significant digits: the step depends on the number itself


def _scaled(contracts: Decimal | None, size: Decimal) -> Decimal | None:
    """Return a number of contracts in the base asset."""
    return None if contracts is None else _EXACT.multiply(contracts, size)


def _limits(raw: dict[str, Any] | None, size: Decimal = ONE) -> Limits:
    raw = raw or {}
    low, high = decimal_or_none(raw.get("min")), decimal_or_none(raw.get("max"))
    return Limits(min=_scaled(low, size), max=_scaled(high, size))


def _text(value: Decimal | None) -> str:
    return "any" if value is None else decimal_text(value)
