"""Patch that lets OctoBot without tentacles trade futures, and keeps the margin mode.

In 2.0.15 and 2.1.1 its default exchange supports spot alone, and each start sets
contracts to isolated margin. `tests/bridge/paper/test_futures_simulator.py` passes
without the patch once OctoBot supports futures there itself.
"""

from __future__ import annotations

from typing import Any

import octobot_trading.constants as trading_constants
import octobot_trading.exchanges as trading_exchanges
from octobot_trading.enums import ExchangeTypes

from backend.bridge.octobot.exchange import Exchange
from backend.bridge.status import BootFailed

_supported_types = trading_exchanges.get_supported_exchange_types


def allow_futures() -> None:
    """Declare the default exchange able to trade futures, as ccxt's client is.

    OctoBot searches for a tentacle of the exchange's name and else trades spot only;
    its default exchange lacks nothing that linear contracts in one-way mode need. The
    margin mode is the user's choice, so none is forced.
    """
    trading_exchanges.get_supported_exchange_types = _types_of
    trading_constants.FORCED_MARGIN_TYPE = None


def require_linear(exchange: Exchange) -> None:
    """Raise `BootFailed` when a contract settles in its base asset."""
    for symbol in exchange.symbols:
        if exchange.account.is_inverse(symbol):
            raise BootFailed(f"{symbol} is an inverse contract: only linear ones are traded here")


def _types_of(name: str, setup: Any, exchange_config: Any = None) -> list[Any]:
    found = trading_exchanges.get_rest_exchange_class(name, setup, exchange_config)
    if found.is_default_exchange():
        return [ExchangeTypes.SPOT, ExchangeTypes.FUTURE]
    return list(_supported_types(name, setup, exchange_config))
