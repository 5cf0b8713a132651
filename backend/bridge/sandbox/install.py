"""Makes a market available to ccxt, and through it to OctoBot."""

from __future__ import annotations

from types import ModuleType

import ccxt
import ccxt.async_support
import ccxt.pro

from backend.bridge.sandbox.describe import EXCHANGE_ID
from backend.bridge.sandbox.desk import Desk
from backend.bridge.sandbox.feed import SandboxFeed, SandboxStreams
from backend.bridge.sandbox.futures import SandboxFutures
from backend.bridge.sandbox.market import Market


def install(market: Market, desk: Desk | None = None) -> type[SandboxFeed]:
    """Register the market as ccxt exchange `sandbox`, in place of an earlier one.

    Clients made before keep the market they were made with. Without a desk of
    this market no API key is valid. Returns the websocket connector that
    OctoBot will find.
    """
    parts: dict[str, Market | Desk] = {"venue": market, "desk": desk or Desk(market)}
    _register(ccxt, SandboxFutures, parts)
    _register(ccxt.async_support, SandboxFutures, parts)
    _register(ccxt.pro, SandboxStreams, parts)
    return SandboxFeed


def _register(
    module: ModuleType, exchange: type[SandboxFutures], parts: dict[str, Market | Desk]
) -> None:
    setattr(module, EXCHANGE_ID, type(EXCHANGE_ID, (exchange,), parts))
    if EXCHANGE_ID not in module.exchanges:
        module.exchanges.append(EXCHANGE_ID)
