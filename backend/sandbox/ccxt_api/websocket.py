"""The sandbox as a ccxt.pro exchange: `watch_*` methods."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from ccxt.base.errors import ExchangeClosedByUser

from backend.sandbox.ccxt_api.futures import SandboxFutures
from backend.sandbox.ccxt_api.public import Row, candle_rows
from backend.sandbox.market.path import TICK_MS
from backend.sandbox.market.quotes import TIME_FRAMES_MS

_CANDLES_PERIOD_MS = 4 * TICK_MS
_MAX_BACKLOG = 100
_SPREAD = 200

log = logging.getLogger(__name__)


class _OwnRows(list[Row]):
    """Rows that nobody else keeps: the copy that OctoBot makes of them can be themselves."""

    def __deepcopy__(self, memo: object) -> _OwnRows:
        return self


class SandboxStreams(SandboxFutures):
    """`watch_*` methods return at the next trade, and at once when the price is steered."""

    def __init__(self, config: Row | None = None) -> None:
        super().__init__(config or {})
        self._places: dict[str, int] = {}
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._sent_until_ms: dict[tuple[str, ...], int] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self._closings = 0

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
        sent_ms = self._sent_until_ms.get(key, self.venue.now_ms() - TICK_MS)
        while True:
            trades = self.venue.trades(symbol, since_ms=sent_ms + 1, limit=_MAX_BACKLOG)
            if trades:
                self._sent_until_ms[key] = trades[-1].time_ms
                return _OwnRows(self.trade_rows(trades, market))
            await self._next_change(symbol, TICK_MS)

    async def watch_ohlcv(
        self,
        symbol: str,
        timeframe: str = "1m",
        since: int | None = None,
        limit: int | None = None,
        params: Row | None = None,
    ) -> list[list[float]]:
        """Wait a second, or for a steered price; return the candles that changed."""
        await self.load_markets()
        self.market(symbol)
        await self._next_change(symbol, _CANDLES_PERIOD_MS)
        key, frame_ms = (timeframe, symbol), TIME_FRAMES_MS[timeframe]
        since_ms = self._sent_until_ms.get(key, self.venue.now_ms() // frame_ms * frame_ms)
        candles = self.venue.candles(symbol, timeframe, since_ms=since_ms, limit=_MAX_BACKLOG)
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
        """End the subscription; whoever waits gets `ExchangeClosedByUser`, the next one reopens."""
        self._closings += 1
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        for symbol in self._waiting:
            self._announce(symbol)
        await super().close()

    async def _next_change(self, symbol: str, period_ms: int) -> None:
        """Sleep until the next full period of the market's clock, or until steered.

        Symbols come one after the other, spread over the period: two hundred that came
        at once would keep the bot's loop from all else meanwhile.
        """
        loop = asyncio.get_running_loop()
        if self._unsubscribe is None:
            self._loop = loop
            self._unsubscribe = self.venue.subscribe(self._on_steered)
        closings = self._closings
        place = self._places.setdefault(symbol, len(self._places))
        late_ms = place % _SPREAD * period_ms / _SPREAD
        wait_ms = period_ms - (self.venue.now_ms() - late_ms) % period_ms
        waiting = self._waiting.setdefault(symbol, set())
        change = loop.create_future()
        timer = loop.call_later(wait_ms / 1000, _wake, change)
        waiting.add(change)
        try:
            await change
        finally:
            timer.cancel()
            waiting.discard(change)
        if self._closings > closings:
            raise ExchangeClosedByUser("the sandbox's stream is closed")

    def _on_steered(self, symbol: str) -> None:
        """Pass the news on from the steering thread to the feed's loop."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._announce, symbol)

    def _announce(self, symbol: str) -> None:
        for change in self._waiting.get(symbol, ()):
            _wake(change)


def _wake(change: asyncio.Future[None]) -> None:
    if not change.done():
        change.set_result(None)
