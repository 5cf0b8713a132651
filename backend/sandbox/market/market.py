"""Simulated market: consistent prices, candles, trades, tickers and order books."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable
from decimal import Decimal

from backend.sandbox.market.candles import Candles
from backend.sandbox.market.listings import LISTINGS, Listing, UnknownSymbol, find_listing
from backend.sandbox.market.order_book import OrderBook, make_order_book
from backend.sandbox.market.price_overrides import OverriddenPath
from backend.sandbox.market.price_path import TICK_MS, Bar
from backend.sandbox.market.quotes import (
    DAY_MS,
    MINUTE_MS,
    TIME_FRAMES_MS,
    Candle,
    PublicTrade,
    Ticker,
    frame_offset_ms,
)
from backend.sandbox.market.seeded_random import RandomStream


class Market:
    """Deterministic market data: a function of seed, symbol, speed and time. Thread-safe.

    `speed` makes prices move as much in a second as they otherwise would in that many;
    candles stay on the wall clock. `clock` returns seconds since 1970. An unlisted
    symbol raises `UnknownSymbol` everywhere.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        speed: float = 1.0,
        symbols: Iterable[str] = tuple(LISTINGS),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.listings = {symbol: find_listing(symbol) for symbol in symbols}
        self._clock = clock
        self._lock = threading.RLock()
        self._overridden_ms = 0
        self._candles = Candles(seed, speed)
        self._listeners: list[Callable[[str], None]] = []
        self._book_streams = {s: RandomStream(seed, f"{s}/book") for s in self.listings}
        for symbol in self.listings:
            self._candles.path(symbol)

    def now_ms(self) -> int:
        """Return the market's time; each price override advances it by a millisecond."""
        return max(int(self._clock() * 1000), self._overridden_ms)

    def listing(self, symbol: str) -> Listing:
        """Return a symbol's listing."""
        try:
            return self.listings[symbol]
        except KeyError:
            raise UnknownSymbol(f"{symbol} is not traded on the sandbox") from None

    def price(self, symbol: str, at_ms: int | None = None) -> Decimal:
        """Return the price of the last trade, now or at an instant."""
        listing, path = self.listing(symbol), self._candles.path(symbol)
        return listing.price(path.price(self.now_ms() if at_ms is None else at_ms))

    def extremes(self, symbol: str, start_ms: int, end_ms: int) -> tuple[Decimal, Decimal]:
        """Return the lowest and highest price from start to before end."""
        listing, bar = self.listing(symbol), self._candles.path(symbol).span(start_ms, end_ms)
        return listing.price(bar.low), listing.price(bar.high)

    def crossing_ms(
        self, symbol: str, start_ms: int, end_ms: int, price: Decimal, *, rising: bool
    ) -> int | None:
        """Return the time when the path first reaches `price`, from start to before end."""

        def is_crossed_before(until_ms: int) -> bool:
            low, high = self.extremes(symbol, start_ms, until_ms)
            return high >= price if rising else low <= price

        if start_ms >= end_ms or not is_crossed_before(end_ms):
            return None
        return start_ms + bisect_left(range(start_ms + 1, end_ms), True, key=is_crossed_before)

    def candles(
        self, symbol: str, time_frame: str, *, since_ms: int | None = None, limit: int = 100
    ) -> list[Candle]:
        """Return candles, oldest first: the newest ones, or those from `since_ms` on."""
        listing, now_ms = self.listing(symbol), self.now_ms()
        frame_ms = TIME_FRAMES_MS[time_frame]
        offset_ms = frame_offset_ms(frame_ms)
        running = (now_ms - offset_ms) // frame_ms
        first = running - limit + 1
        if since_ms is not None:
            first = -(-(since_ms - offset_ms) // frame_ms)
        last = min(running, first + limit - 1)
        if last < first:
            return []
        bars = self._candles.bars(symbol, frame_ms, first, last, now_ms)
        return [
            Candle(number * frame_ms + offset_ms, *_rounded(listing, bar))
            for number, bar in enumerate(bars, start=first)
        ]

    def ticker(self, symbol: str) -> Ticker:
        """Return the ticker of the last 24 hours, which begin on a full minute."""
        listing, now_ms = self.listing(symbol), self.now_ms()
        start_ms = (now_ms // MINUTE_MS + 1) * MINUTE_MS - DAY_MS
        bar = self._candles.path(symbol).span(start_ms, now_ms + 1)
        book = self.book(symbol, 1)
        return Ticker(now_ms, book.bids[0].price, book.asks[0].price, *_rounded(listing, bar))

    def trades(
        self, symbol: str, *, since_ms: int | None = None, limit: int = 50
    ) -> list[PublicTrade]:
        """Return trades, oldest first: the newest ones, or those from `since_ms` on."""
        listing, path, now_ms = self.listing(symbol), self._candles.path(symbol), self.now_ms()
        newest = since_ms is None
        start_ms = now_ms - limit * TICK_MS if since_ms is None else since_ms
        end_ms = now_ms + 1 if newest else min(now_ms + 1, start_ms + (limit + 1) * TICK_MS)
        trades = path.trades(start_ms, end_ms)
        chosen = trades[-limit:] if newest else trades[:limit]
        return [
            PublicTrade(
                f"{trade.time_ms}-{trade.volume}",
                trade.time_ms,
                "buy" if trade.volume % 2 else "sell",
                listing.price(trade.price),
                listing.amount(trade.volume),
            )
            for trade in chosen
        ]

    def book(self, symbol: str, depth: int = 20, *, at_ms: int | None = None) -> OrderBook:
        """Return the order book around the last price, now or at an instant."""
        listing, at_ms = self.listing(symbol), self.now_ms() if at_ms is None else at_ms
        stream, price = self._book_streams[symbol], self.price(symbol, at_ms)
        return make_order_book(listing, price, stream, at_ms // TICK_MS, depth)

    def pin(self, symbol: str, price: Decimal) -> None:
        """Pin a price from now on."""
        self._override(symbol, lambda path, at_ms: path.pin(at_ms, float(price)))

    def move(self, symbol: str, price: Decimal) -> None:
        """Jump to a price, from which the path continues; ends a pin."""
        self._override(symbol, lambda path, at_ms: path.move(at_ms, float(price)))

    def release(self, symbol: str) -> None:
        """End a pin: the price continues from the pinned one."""
        if self._candles.path(symbol).is_pinned:
            self._override(symbol, lambda path, at_ms: path.move(at_ms, path.price(at_ms)))

    def subscribe(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Call `listener(symbol)` at each pin, move and release, in the thread that calls them.

        Returns a function that ends the subscription.
        """
        with self._lock:
            self._listeners = [*self._listeners, listener]

        def unsubscribe() -> None:
            with self._lock:
                self._listeners = [other for other in self._listeners if other is not listener]

        return unsubscribe

    def _override(self, symbol: str, apply: Callable[[OverriddenPath, int], None]) -> None:
        self.listing(symbol)
        with self._lock:
            at_ms = self.now_ms() + 1
            self._candles.override(symbol, at_ms, apply)
            self._overridden_ms = at_ms
            listeners = self._listeners
        for listener in listeners:
            listener(symbol)


def _rounded(listing: Listing, bar: Bar) -> tuple[Decimal, Decimal, Decimal, Decimal, Decimal]:
    prices = [listing.price(value) for value in bar[:4]]
    return prices[0], prices[1], prices[2], prices[3], listing.amount(bar.volume)
