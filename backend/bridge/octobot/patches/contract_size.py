"""Patch that converts contracts to base quantities exactly, and scales strategies' rules too.

OctoBot 2.0.15 and 2.1.1 multiply floats (7 contracts of 0.1 become 0.7000000000000001), and
without a tentacle of the exchange they compare quantities in base with limits in contracts.
tests/bridge/octobot/test_contract_size.py passes without the patch once they do neither.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from octobot_trading.enums import ExchangeConstantsMarketStatusColumns as Market
from octobot_trading.enums import ExchangeConstantsOrderColumns as Col

from backend.bridge.octobot.trading_rules import read_rules

_CONVERTED = (Col.AMOUNT.value, Col.FILLED.value, Col.REMAINING.value)


def scale_contracts(manager: Any) -> None:
    """Convert the quantities of orders and trades, and the limits that strategies read."""
    if not manager.is_future:
        return
    exchange = manager.exchange
    adapter = exchange.connector.adapter

    def convert(row: dict[str, Any], symbol: str | None) -> None:
        name = symbol or row.get(Col.SYMBOL.value)
        if name is not None:
            scale_quantities(row, exchange.get_contract_size(name))

    adapter.adapt_quantities_with_contract_size = convert
    if not exchange.ADAPT_MARKET_STATUS_FOR_CONTRACT_SIZE:
        exchange.get_market_status = _in_base(manager, exchange.get_market_status)


def scale_quantities(row: dict[str, Any], size: Decimal) -> None:
    """Multiply the quantities of an order's or a trade's row by the contract size, exactly."""
    for column in _CONVERTED:
        if row.get(column):
            row[column] = float(Decimal(str(row[column])) * size)


def _in_base(manager: Any, market_status: Callable[..., Any]) -> Callable[..., Any]:
    """Return OctoBot's `get_market_status` with the rules of quantities in the base asset."""

    def in_base(symbol: str, *args: Any, **options: Any) -> Any:
        status = market_status(symbol, *args, **options)
        if not status or manager.exchange.get_contract_size(symbol) == 1:
            return status
        rules = read_rules(manager, symbol)
        status = copy.deepcopy(status)  # without OctoBot's fixer it is the client's own
        limits = status[Market.LIMITS.value][Market.LIMITS_AMOUNT.value]
        for bound, value in (
            (Market.LIMITS_AMOUNT_MIN.value, rules.quantity.min),
            (Market.LIMITS_AMOUNT_MAX.value, rules.quantity.max),
        ):
            if value is not None:
                limits[bound] = float(value)
        if rules.quantity_step is not None:
            digits = -int(rules.quantity_step.normalize().as_tuple().exponent)
            status[Market.PRECISION.value][Market.PRECISION_AMOUNT.value] = max(digits, 0)
        return status

    return in_base
