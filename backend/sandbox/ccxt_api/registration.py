"""Registration of a market and its matching engine as ccxt exchange `sandbox`."""

from __future__ import annotations

from types import ModuleType

import ccxt
import ccxt.async_support
import ccxt.pro

from backend.sandbox.ccxt_api.description import SANDBOX
from backend.sandbox.ccxt_api.futures import SandboxFutures
from backend.sandbox.ccxt_api.websocket import SandboxWebsocket
from backend.sandbox.market.market import Market
from backend.sandbox.matching.engine import MatchingEngine


def install(market: Market, engine: MatchingEngine | None = None) -> None:
    """Register the market as ccxt exchange `sandbox`, replacing an earlier one.

    Earlier clients keep their market. Without a matching engine of this market no API
    key is valid.
    """
    parts: dict[str, Market | MatchingEngine] = {
        "market_data": market,
        "engine": engine or MatchingEngine(market),
    }
    _register(ccxt, SandboxFutures, parts)
    _register(ccxt.async_support, SandboxFutures, parts)
    _register(ccxt.pro, SandboxWebsocket, parts)


def _register(
    module: ModuleType, exchange: type[SandboxFutures], parts: dict[str, Market | MatchingEngine]
) -> None:
    setattr(module, SANDBOX, type(SANDBOX, (exchange,), parts))
    if SANDBOX not in module.exchanges:
        module.exchanges.append(SANDBOX)
