"""ccxt.pro websocket endpoints: `watch_*` methods."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from ccxt.base.errors import ExchangeClosedByUser

from backend.sandbox.ccxt_api.futures import SandboxFutures
from backend.sandbox.ccxt_api.public import Row, candle_rows
from backend.sandbox.market.price_path import TICK_MS
from backend.sandbox.market.quotes import TIME_FRAMES_MS, frame_offset_ms

_CANDLES_PERIOD_MS = 4 * TICK_MS
_MAX_BACKLOG = 100
_SLOTS = 200

log = logging.getLogger(__name__)


class _UncopiedRows(list[Row]):
    """List that deepcopy returns unchanged: OctoBot copies rows that nothing else references."""

    def __deepcopy__(self, memo: object) -> _UncopiedRows:
        return self


class SandboxWebsocket(SandboxFutures):
    """`watch_*` methods return at the next trade, and at once at a price override."""

    def __init__(self, config: Row | None = None) -> None:
        super().__init__(config or {})
        self._offsets: dict[str, int] = {}
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._sent_until_ms: dict[tuple[str, ...], int] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self._close_count = 0

    async def watch_trades(
        self,
        symbol: str,
        since: int | None = None,
        limit: int | None = None,
        params: Row | None = None,
    ) -> list[Row]:
        """Wait for trades and return those not yet returned."""
        await self.load_markets()
        market, key = self.market(symbol), ("trades", symbol)
        sent_ms = self._sent_until_ms.get(key, self.market_data.now_ms() - TICK_MS)
        while True:
            trades = self.market_data.trades(symbol, since_ms=sent_ms + 1, limit=_MAX_BACKLOG)
            if trades:
                self._sent_until_ms[key] = trades[-1].time_ms
                return _UncopiedRows(self.trade_rows(trades, market))
            await self._next_change(symbol, TICK_MS)

    async def watch_ohlcv(
        self,
        symbol: str,
        timeframe: str = "1m",
        since: int | None = None,
        limit: int | None = None,
        params: Row | None = None,
    ) -> list[list[float]]:
        """Wait a second, or for a price override; return the candles that changed."""
        await self.load_markets()
        self.market(symbol)
        await self._next_change(symbol, _CANDLES_PERIOD_MS)
        key, frame_ms = (timeframe, symbol), TIME_FRAMES_MS[timeframe]
        offset_ms = frame_offset_ms(frame_ms)
        running = (self.market_data.now_ms() - offset_ms) // frame_ms
        since_ms = self._sent_until_ms.get(key, running * frame_ms + offset_ms)
        candles = self.market_data.candles(symbol, timeframe, since_ms=since_ms, limit=_MAX_BACKLOG)
        self._sent_until_ms[key] = candles[-1].time_ms
        return candle_rows(candles)

    async def watch_ticker(self, symbol: str, params: Row | None = None) -> Row:
        """Wait for a trade and return the ticker."""
        await self._next_change(symbol, TICK_MS)
        return await self.fetch_ticker(symbol)

    async def watch_order_book(
        self, symbol: str, limit: int | None = None, params: Row | None = None
    ) -> Row:
        """Wait for a trade and return the order book."""
        await self._next_change(symbol, TICK_MS)
        return await self.fetch_order_book(symbol, limit)

    async def close(self) -> None:
        """End the subscription; waiting calls raise `ExchangeClosedByUser`, later ones reopen."""
        self._close_count += 1
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        for symbol in self._waiting:
            self._wake_waiters(symbol)
        await super().close()

    async def _next_change(self, symbol: str, period_ms: int) -> None:
        """Wait for the next full period of the market's clock, or for a price override.

        Symbols are spread over the period: two hundred at once would block the bot's loop.
        """
        loop = asyncio.get_running_loop()
        if self._unsubscribe is None:
            self._loop = loop
            self._unsubscribe = self.market_data.subscribe(self._on_price_set)
        close_count = self._close_count
        offset = self._offsets.setdefault(symbol, len(self._offsets))
        late_ms = offset % _SLOTS * period_ms / _SLOTS
        wait_ms = period_ms - (self.market_data.now_ms() - late_ms) % period_ms
        waiting = self._waiting.setdefault(symbol, set())
        change = loop.create_future()
        timer = loop.call_later(wait_ms / 1000, _wake, change)
        waiting.add(change)
        try:
            await change
        finally:
            timer.cancel()
            waiting.discard(change)
        if self._close_count > close_count:
            raise ExchangeClosedByUser("the sandbox's stream is closed")

    def _on_price_set(self, symbol: str) -> None:
        """Notify the feed's loop of a price override, from the calling thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake_waiters, symbol)

    def _wake_waiters(self, symbol: str) -> None:
        for change in self._waiting.get(symbol, ()):
            _wake(change)


def _wake(change: asyncio.Future[None]) -> None:
    if not change.done():
        change.set_result(None)
