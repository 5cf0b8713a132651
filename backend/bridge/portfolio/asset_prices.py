"""Prices of held assets whose markets are not followed, fetched seldom and together."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from backend.bridge.octobot.conversion import decimal_or_none
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.runtime.runner import BotRunner
from backend.errors import BridgeError, SymbolNotTraded

_FETCH_EVERY_S = 60.0
_RETRY_AFTER_S = 10.0
_KEPT_S = 300.0
_MOST_SYMBOLS = 100
_MOST_SINGLE = 20

log = logging.getLogger(__name__)


class _Quote(NamedTuple):
    price: Decimal
    at: float


class AssetPrices:
    """Prices by symbol, of what an exchange quotes in one or two steps; bot's loop only.

    One request a minute at most asks for up to a hundred symbols. A price is kept for
    five minutes. `on_change` is called when prices have come.
    """

    def __init__(self, runner: BotRunner, on_change: Callable[[], None]) -> None:
        self._runner = runner
        self._on_change = on_change
        self._quotes: dict[str, _Quote] = {}
        self._settled: set[tuple[str, str]] = set()
        self._asked: dict[str, frozenset[str]] = {}
        self._next_at: dict[str, float] = {}
        self._fetching: set[str] = set()

    def begin(self) -> None:
        """Forget the prices of an earlier run."""
        for state in (self._quotes, self._asked, self._next_at):
            state.clear()
        self._settled.clear()
        self._fetching.clear()

    def prices(self) -> Mapping[str, Decimal]:
        """Return the prices that are not too old, by symbol."""
        if not self._quotes:
            return {}
        oldest = time.monotonic() - _KEPT_S
        self._quotes = {s: quote for s, quote in self._quotes.items() if quote.at >= oldest}
        return {symbol: quote.price for symbol, quote in self._quotes.items()}

    def is_settled(self, exchange: str, asset: str) -> bool:
        """Return whether the exchange has answered what it quotes of an asset."""
        return (exchange, asset) in self._settled

    def want(self, exchange: Exchange, assets: Iterable[str], reference: str) -> None:
        """Have the prices of these assets fetched, unless that was done a moment ago."""
        name, wanted, now = exchange.name, frozenset(assets), time.monotonic()
        if not wanted or name in self._fetching:
            return
        is_new = not wanted <= self._asked.get(name, frozenset())
        if is_new or now >= self._next_at.get(name, 0.0):
            self._asked[name] = wanted
            self._next_at[name] = now + _RETRY_AFTER_S
            self._fetching.add(name)
            self._runner.create_task(self._fetch(exchange, wanted, reference))

    async def _fetch(self, exchange: Exchange, assets: frozenset[str], reference: str) -> None:
        try:
            symbols = exchange.market.quoting_symbols(assets, reference)[:_MOST_SYMBOLS]
            found = await self._read(exchange, symbols) if symbols else {}
            now = time.monotonic()
            self._quotes.update({s: _Quote(price, now) for s, price in found.items()})
            self._next_at[exchange.name] = now + _FETCH_EVERY_S
            self._settled |= {(exchange.name, asset) for asset in assets}
        except BridgeError as error:
            log.info("assets on %s cannot be priced: %s", exchange.name, error.type)
        finally:
            self._fetching.discard(exchange.name)
        self._on_change()

    async def _read(self, exchange: Exchange, symbols: list[str]) -> dict[str, Decimal]:
        if exchange.market.has_all_tickers:
            try:
                return _prices(await exchange.market.tickers(symbols))
            except SymbolNotTraded:
                log.debug("%s refuses the tickers of %d symbols", exchange.name, len(symbols))
        found = {}
        for symbol in symbols[:_MOST_SINGLE]:
            try:
                found[symbol] = await exchange.market.ticker(symbol)
            except SymbolNotTraded:
                continue
        return _prices(found)


def _prices(tickers: Mapping[str, Mapping[str, object]]) -> dict[str, Decimal]:
    found = {}
    for symbol, ticker in tickers.items():
        price = decimal_or_none(ticker.get("last") or ticker.get("close"))
        if price:
            found[symbol] = price
    return found
