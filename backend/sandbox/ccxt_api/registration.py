"""Registers a market and its matching engine as a ccxt exchange."""

from __future__ import annotations

from types import ModuleType

import ccxt
import ccxt.async_support
import ccxt.pro

from backend.sandbox.ccxt_api.description import EXCHANGE_ID
from backend.sandbox.ccxt_api.futures import SandboxFutures
from backend.sandbox.ccxt_api.websocket import SandboxStreams
from backend.sandbox.market.market import Market
from backend.sandbox.matching.engine import MatchingEngine


def install(market: Market, engine: MatchingEngine | None = None) -> None:
    """Register the market as ccxt exchange `sandbox`, in place of an earlier one.

    Clients made before keep the market they were made with. Without a matching engine of
    this market no API key is valid.
    """
    parts: dict[str, Market | MatchingEngine] = {
        "venue": market,
        "engine": engine or MatchingEngine(market),
    }
    _register(ccxt, SandboxFutures, parts)
    _register(ccxt.async_support, SandboxFutures, parts)
    _register(ccxt.pro, SandboxStreams, parts)


def _register(
    module: ModuleType, exchange: type[SandboxFutures], parts: dict[str, Market | MatchingEngine]
) -> None:
    setattr(module, EXCHANGE_ID, type(EXCHANGE_ID, (exchange,), parts))
    if EXCHANGE_ID not in module.exchanges:
        module.exchanges.append(EXCHANGE_ID)
