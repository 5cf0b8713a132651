"""Makes a market available to ccxt, and through it to OctoBot."""

from __future__ import annotations

from types import ModuleType

import ccxt
import ccxt.async_support
import ccxt.pro

from backend.bridge.sandbox.describe import EXCHANGE_ID
from backend.bridge.sandbox.exchange import SandboxData
from backend.bridge.sandbox.feed import SandboxFeed, SandboxStreams
from backend.bridge.sandbox.market import Market


def install(market: Market) -> type[SandboxFeed]:
    """Register the market as ccxt exchange `sandbox`, in place of an earlier one.

    Clients made before keep the market they were made with. Returns the
    websocket connector that OctoBot will find.
    """
    _register(ccxt, SandboxData, market)
    _register(ccxt.async_support, SandboxData, market)
    _register(ccxt.pro, SandboxStreams, market)
    return SandboxFeed


def _register(module: ModuleType, exchange: type[SandboxData], market: Market) -> None:
    setattr(module, EXCHANGE_ID, type(EXCHANGE_ID, (exchange,), {"venue": market}))
    if EXCHANGE_ID not in module.exchanges:
        module.exchanges.append(EXCHANGE_ID)
