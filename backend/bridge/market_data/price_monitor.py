"""Monitor of the prices' ages: confirms old ones, and refuses those that are too old."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from backend.bridge.bot_warnings import BotWarnings
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.runtime.runner import BotRunner
from backend.errors import BridgeError, PriceStale, SymbolNotTraded
from backend.schemas.common import time_text, utc_now

STALE, DELISTED = "prices: stale", "prices: not traded"
"""Sources of the monitor's warnings."""
_LOOK_S = 1.0
_SINGLE_READS = 5
_NAMED = 10
_NONE: frozenset[str] = frozenset()

log = logging.getLogger(__name__)


class PriceMonitor:
    """Ages of the prices of followed symbols; used on the bot's loop only.

    A price's age is the time since its exchange confirmed it: a successful poll does, also
    where nothing is traded. One that is half as old as allowed is asked for, because a
    websocket is silent on a quiet market.
    """

    def __init__(self, runner: BotRunner, warnings: BotWarnings, max_age_s: float) -> None:
        self._runner = runner
        self._warnings = warnings
        self._max_age_s = max_age_s
        self._stale_since: dict[tuple[str, str], str] = {}
        self._delisted: set[tuple[str, str]] = set()
        self._followed_at: dict[str, float] = {}
        self._reading: set[str] = set()
        self._next_read_at: dict[str, float] = {}

    def begin(self) -> None:
        """Forget the exchanges of an earlier run."""
        for state in (self._stale_since, self._followed_at, self._next_read_at):
            state.clear()
        self._delisted.clear()
        self._reading.clear()
        self._warn()

    def follow(self, exchange: Exchange) -> None:
        """Start to count the ages of an exchange's prices."""
        self._followed_at[exchange.name] = time.monotonic()
        exchange.market.prefer_tickers_after(self._max_age_s / 2)

    async def run(self) -> None:
        """Confirm old prices, and keep the warnings current, forever."""
        while True:
            await asyncio.sleep(min(_LOOK_S, self._max_age_s / 4))
            try:
                self._look()
            except Exception:  # the next look is soon
                log.exception("the ages of prices cannot be read")

    def is_stale(self, exchange: Exchange, symbol: str) -> bool:
        """Return whether a price is older than allowed."""
        return self._age_s(exchange, symbol) > self._max_age_s

    def stale_symbols(self) -> frozenset[str]:
        """Return the symbols whose price was too old at the last look, on any exchange."""
        if not self._stale_since:
            return _NONE
        return frozenset(symbol for _, symbol in self._stale_since)

    def require_fresh(self, exchange: Exchange, symbol: str) -> None:
        """Raise `PriceStale` for a price that is too old, `SymbolNotTraded` for a delisted one."""
        if self.is_stale(exchange, symbol):
            if (exchange.name, symbol) in self._delisted:
                raise SymbolNotTraded(f"{symbol} is not traded on {exchange.name} any more")
            raise PriceStale(
                f"{exchange.name} has not confirmed the price of {symbol}"
                f" for more than {self._max_age_s:g} s"
            )

    async def current(self, exchange: Exchange, symbol: str) -> Decimal:
        """Return a price that is not too old, waiting a moment for the first one after a boot.

        Raises `InvalidSymbol`, `PriceStale`, `SymbolNotTraded` or `BotNotReady`.
        """
        exchange.market.require_symbol(symbol)
        self.require_fresh(exchange, symbol)
        return await exchange.market.wait_for_price(symbol)

    def _age_s(self, exchange: Exchange, symbol: str) -> float:
        age_s = exchange.market.price_age_s(symbol)
        if age_s is None:  # no price has come yet
            now = time.monotonic()
            return now - self._followed_at.get(exchange.name, now)
        return age_s

    def _look(self) -> None:
        for exchange in self._runner.exchanges.values():
            ages = {symbol: self._age_s(exchange, symbol) for symbol in exchange.symbols}
            self._confirm(exchange, [s for s, age_s in ages.items() if age_s > self._max_age_s / 2])
            for symbol, age_s in ages.items():
                key = (exchange.name, symbol)
                if age_s <= self._max_age_s:
                    self._stale_since.pop(key, None)
                    self._delisted.discard(key)
                elif key not in self._stale_since:
                    self._stale_since[key] = time_text(utc_now() - timedelta(seconds=age_s))
        self._warn()

    def _confirm(self, exchange: Exchange, symbols: Sequence[str]) -> None:
        """Read the prices of these symbols unless that was tried a moment ago."""
        name, now = exchange.name, time.monotonic()
        if symbols and name not in self._reading and now >= self._next_read_at.get(name, 0.0):
            self._reading.add(name)
            self._next_read_at[name] = now + self._max_age_s / 6
            self._runner.create_task(self._read(exchange, symbols))

    async def _read(self, exchange: Exchange, symbols: Sequence[str]) -> None:
        market = exchange.market
        try:
            if len(symbols) > _SINGLE_READS and market.has_all_tickers:
                try:
                    await market.tickers(symbols)
                    return
                except SymbolNotTraded:
                    log.debug("%s does not trade one of %d symbols", exchange.name, len(symbols))
            for symbol in symbols:
                await self._read_one(exchange, symbol)
        except BridgeError as error:
            log.info("prices of %s cannot be confirmed: %s", exchange.name, error.type)
        finally:
            self._reading.discard(exchange.name)

    async def _read_one(self, exchange: Exchange, symbol: str) -> None:
        try:
            await exchange.market.confirm_price(symbol)
        except SymbolNotTraded:
            self._delisted.add((exchange.name, symbol))

    def _warn(self) -> None:
        stale = {k: since for k, since in self._stale_since.items() if k not in self._delisted}
        self._warnings.replace(STALE, _texts(stale))
        self._warnings.replace(
            DELISTED,
            [
                f"{exchange}: {symbol} is not traded any more"
                for exchange, symbol in sorted(self._delisted)
            ],
        )


def _texts(stale_since: dict[tuple[str, str], str]) -> list[str]:
    """Return a line for each stale price, of so many of an exchange by name."""
    by_exchange: dict[str, list[str]] = {}
    for (exchange, symbol), since in sorted(stale_since.items()):
        by_exchange.setdefault(exchange, []).append(
            f"{exchange}: the price of {symbol} is stale, not confirmed since {since}"
        )
    texts = []
    for exchange, lines in by_exchange.items():
        texts += lines[:_NAMED]
        if len(lines) > _NAMED:
            texts.append(f"{exchange}: so are {len(lines) - _NAMED} further prices")
    return texts
