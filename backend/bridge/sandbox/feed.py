"""Ticks to OctoBot: the ccxt.pro side of the sandbox, and the connector that drives it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ccxt.base.errors import ExchangeClosedByUser
from octobot_trading.enums import WebsocketFeeds
from octobot_trading.exchanges import CCXTWebsocketConnector

from backend.bridge.sandbox.describe import EXCHANGE_ID
from backend.bridge.sandbox.exchange import Row, candle_rows
from backend.bridge.sandbox.figures import TIME_FRAMES_MS
from backend.bridge.sandbox.futures import SandboxFutures
from backend.bridge.sandbox.path import TICK_MS

_CANDLES_PERIOD_MS = 4 * TICK_MS
_MAX_BACKLOG = 100


class SandboxStreams(SandboxFutures):
    """`watch_*` methods return at the next trade, and at once when the price is steered."""

    def __init__(self, config: Row | None = None) -> None:
        super().__init__(config or {})
        self._changes: dict[str, asyncio.Event] = {}
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
                return self.trade_rows(trades, market)
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
        for symbol in list(self._changes):
            self._announce(symbol)
        await super().close()

    async def _next_change(self, symbol: str, period_ms: int) -> None:
        """Sleep until the next full period of the market's clock, or until steered."""
        if self._unsubscribe is None:
            self._loop = asyncio.get_running_loop()
            self._unsubscribe = self.venue.subscribe(self._on_steered)
        closings = self._closings
        wait_ms = period_ms - self.venue.now_ms() % period_ms
        change = self._changes.setdefault(symbol, asyncio.Event())
        try:
            await asyncio.wait_for(change.wait(), wait_ms / 1000)
        except asyncio.TimeoutError:  # the builtin one only from Python 3.11 on
            return
        if self._closings > closings:
            raise ExchangeClosedByUser("the sandbox's stream is closed")

    def _on_steered(self, symbol: str) -> None:
        """Pass the news on from the steering thread to the feed's loop."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._announce, symbol)

    def _announce(self, symbol: str) -> None:
        event = self._changes.pop(symbol, None)
        if event is not None:
            event.set()


class SandboxFeed(CCXTWebsocketConnector):  # type: ignore[misc]  # OctoBot is untyped
    """OctoBot finds this class by its name; it drives whatever market is installed.

    TICKER stays out: OctoBot would then ignore trades, which carry the mark price.
    """

    EXCHANGE_FEEDS: dict[Any, str] = {  # noqa: RUF012  # OctoBot's own declaration
        WebsocketFeeds.TRADES: WebsocketFeeds.TRADES.value,
        WebsocketFeeds.KLINE: WebsocketFeeds.KLINE.value,
        WebsocketFeeds.CANDLE: WebsocketFeeds.CANDLE.value,
    }

    @classmethod
    def get_name(cls) -> str:
        """Return the exchange's id."""
        return EXCHANGE_ID
