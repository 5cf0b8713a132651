"""The simulated market: prices, candles, trades, tickers and books that all agree."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable
from decimal import Decimal

from backend.sandbox.market.candle_tree import CandleTree
from backend.sandbox.market.candles import CandleSeries
from backend.sandbox.market.cross_path import CrossPath
from backend.sandbox.market.listings import LISTINGS, Listing, UnknownSymbol, find_listing
from backend.sandbox.market.noise import Noise
from backend.sandbox.market.order_book import OrderBook, make_order_book
from backend.sandbox.market.path import TICK_MS, Bar
from backend.sandbox.market.quotes import (
    DAY_MS,
    MINUTE_MS,
    TIME_FRAMES_MS,
    Candle,
    PublicTrade,
    Ticker,
)
from backend.sandbox.market.steering import Steered


class Market:
    """A market that is the same at every call: a function of seed, symbol, speed and time.

    `speed` makes prices move as much in a second as they else would in that many;
    candles stay on the wall clock. `clock` gives seconds since 1970. Any thread
    may call any method. An unlisted symbol raises `UnknownSymbol` everywhere.
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
        self._seed = seed
        self._speed = speed
        self._clock = clock
        self._lock = threading.RLock()
        self._steered_ms = 0
        self._paths: dict[str, Steered] = {}
        self._crosses: list[CrossPath] = []
        self._series: dict[tuple[str, int], CandleSeries] = {}
        self._listeners: list[Callable[[str], None]] = []
        self._book_noise = {symbol: Noise(seed, f"{symbol}/book") for symbol in self.listings}
        for symbol in self.listings:
            self._path(symbol)

    def now_ms(self) -> int:
        """Return the market's time; steering takes a millisecond of it."""
        return max(int(self._clock() * 1000), self._steered_ms)

    def listing(self, symbol: str) -> Listing:
        """Return a symbol's rules."""
        try:
            return self.listings[symbol]
        except KeyError:
            raise UnknownSymbol(f"{symbol} is not traded on the sandbox") from None

    def price(self, symbol: str, at_ms: int | None = None) -> Decimal:
        """Return the price of the last trade, now or at an instant."""
        listing = self.listing(symbol)
        return listing.price(self._path(symbol).price(self.now_ms() if at_ms is None else at_ms))

    def extremes(self, symbol: str, start_ms: int, end_ms: int) -> tuple[Decimal, Decimal]:
        """Return the lowest and highest price from start to before end."""
        listing, bar = self.listing(symbol), self._path(symbol).span(start_ms, end_ms)
        return listing.price(bar.low), listing.price(bar.high)

    def crossing_ms(
        self, symbol: str, start_ms: int, end_ms: int, price: Decimal, *, rising: bool
    ) -> int | None:
        """Return when the price first is at `price` or beyond it, from start to before end."""

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
        running = now_ms // frame_ms
        first = running - limit + 1 if since_ms is None else -(-since_ms // frame_ms)
        last = min(running, first + limit - 1)
        if last < first:
            return []
        bars = self._one_series(symbol, frame_ms).bars(first, last, now_ms)
        return [
            Candle(number * frame_ms, *_rounded(listing, bar))
            for number, bar in enumerate(bars, start=first)
        ]

    def ticker(self, symbol: str) -> Ticker:
        """Return the figures of the last 24 hours, which begin on a full minute."""
        listing, now_ms = self.listing(symbol), self.now_ms()
        start_ms = (now_ms // MINUTE_MS + 1) * MINUTE_MS - DAY_MS
        bar = self._path(symbol).span(start_ms, now_ms + 1)
        book = self.book(symbol, 1)
        return Ticker(now_ms, book.bids[0].price, book.asks[0].price, *_rounded(listing, bar))

    def trades(
        self, symbol: str, *, since_ms: int | None = None, limit: int = 50
    ) -> list[PublicTrade]:
        """Return trades, oldest first: the newest ones, or those from `since_ms` on."""
        listing, path, now_ms = self.listing(symbol), self._path(symbol), self.now_ms()
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
        """Return the order book, whose two sides enclose the last price, now or at an instant."""
        listing, at_ms = self.listing(symbol), self.now_ms() if at_ms is None else at_ms
        noise = self._book_noise[symbol]
        return make_order_book(listing, self.price(symbol, at_ms), noise, at_ms // TICK_MS, depth)

    def pin(self, symbol: str, price: Decimal) -> None:
        """Hold a price from now on."""
        self._steer(symbol, lambda path, at_ms: path.pin(at_ms, float(price)))

    def move(self, symbol: str, price: Decimal) -> None:
        """Jump to a price, end a pin, and let the price go on from there."""
        self._steer(symbol, lambda path, at_ms: path.move(at_ms, float(price)))

    def release(self, symbol: str) -> None:
        """End a pin: the price goes on from where it was held."""
        if self._path(symbol).is_pinned:
            self._steer(symbol, lambda path, at_ms: path.move(at_ms, path.price(at_ms)))

    def subscribe(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Call `listener(symbol)` in the steering thread at each pin, move and release.

        Returns what ends the subscription.
        """
        with self._lock:
            self._listeners = [*self._listeners, listener]

        def unsubscribe() -> None:
            with self._lock:
                self._listeners = [other for other in self._listeners if other is not listener]

        return unsubscribe

    def _steer(self, symbol: str, turn: Callable[[Steered, int], None]) -> None:
        self.listing(symbol)
        with self._lock:
            at_ms = self.now_ms() + 1
            turn(self._path(symbol), at_ms)
            for cross in self._crosses:
                cross.forget(at_ms)
            self._steered_ms = at_ms
            listeners = self._listeners
        for listener in listeners:
            listener(symbol)

    def _path(self, symbol: str) -> Steered:
        """Return a symbol's path; a cross brings its legs along, listed or not."""
        with self._lock:
            if symbol not in self._paths:
                listing = find_listing(symbol)
                tree = CandleTree(self._seed, find_listing(listing.underlying), self._speed)
                trade = int(listing.daily_volume / listing.amount_step) * TICK_MS // DAY_MS
                natural = self._cross(listing, tree) if listing.is_cross else tree
                self._paths[symbol] = Steered(natural, max(1, trade))
            return self._paths[symbol]

    def _one_series(self, symbol: str, frame_ms: int) -> CandleSeries:
        with self._lock:
            key = (symbol, frame_ms)
            if key not in self._series:
                self._series[key] = CandleSeries(self._path(symbol), frame_ms)
            return self._series[key]

    def _cross(self, listing: Listing, volume: CandleTree) -> CrossPath:
        legs = self._path(f"{listing.base}/USDT"), self._path(f"{listing.quote}/USDT")
        cross = CrossPath(*legs, volume)
        self._crosses.append(cross)
        return cross


def _rounded(listing: Listing, bar: Bar) -> tuple[Decimal, Decimal, Decimal, Decimal, Decimal]:
    prices = [listing.price(value) for value in bar[:4]]
    return prices[0], prices[1], prices[2], prices[3], listing.amount(bar.volume)
