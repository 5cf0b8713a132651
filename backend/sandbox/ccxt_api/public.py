"""ccxt public endpoints: markets, tickers, candles, trades and order books."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, ClassVar, NoReturn

import ccxt.async_support
from ccxt.base.errors import BadRequest, BadSymbol, NotSupported

from backend.sandbox.ccxt_api.description import description, market_row
from backend.sandbox.market.market import Market
from backend.sandbox.market.order_book import PriceLevel
from backend.sandbox.market.quotes import TIME_FRAMES_MS, Candle, PublicTrade

Row = dict[str, Any]
_MAX_ROWS = 1000
_DEFAULT_CANDLES = 100
_DEFAULT_TRADES = 50
_DEFAULT_DEPTH = 20


class SandboxPublic(ccxt.async_support.Exchange):  # type: ignore[misc]  # ccxt is untyped
    """Public endpoints over `market_data`, which `install` sets on a subclass; no network I/O."""

    market_data: ClassVar[Market]

    def describe(self) -> Row:
        """Add the sandbox's description to the base's."""
        row: Row = self.deep_extend(super().describe(), description(self.market_data.listings))
        return row

    def milliseconds(self) -> int:
        """Return the market's time."""
        return self.market_data.now_ms()

    async def _send_request(self, endpoint: str) -> None:
        """Simulate the transmission of a request to the exchange."""

    async def fetch(self, *_: Any, **__: Any) -> NoReturn:
        """Raise `NotSupported`: the sandbox has no network."""
        raise NotSupported("the sandbox has no network")

    async def fetch_time(self, params: Row | None = None) -> int:
        """Return the market's time."""
        await self._send_request("fetch_time")
        return self.market_data.now_ms()

    async def fetch_status(self, params: Row | None = None) -> Row:
        """Return the status `ok`."""
        now_ms = self.market_data.now_ms()
        return {"status": "ok", "updated": now_ms, "eta": None, "url": None, "info": {}}

    async def fetch_markets(self, params: Row | None = None) -> list[Row]:
        """Return all markets."""
        await self._send_request("fetch_markets")
        rows = map(market_row, self.market_data.listings.values())
        return [self.safe_market_structure(row) for row in rows]

    async def fetch_currencies(self, params: Row | None = None) -> Row:
        """Return all assets."""
        listings = self.market_data.listings.values()
        codes = {code for listing in listings for code in (listing.base, listing.quote)}
        return {
            code: self.safe_currency_structure(
                {"id": code, "code": code, "precision": 8, "active": True, "info": {}}
            )
            for code in sorted(codes)
        }

    async def fetch_ticker(self, symbol: str, params: Row | None = None) -> Row:
        """Return the figures of the last 24 hours."""
        await self.load_markets()
        await self._send_request("fetch_ticker")
        market = self.market(symbol)
        ticker = self.market_data.ticker(market["symbol"])
        row: Row = self.safe_ticker(
            {
                "symbol": market["symbol"],
                "timestamp": ticker.time_ms,
                "datetime": self.iso8601(ticker.time_ms),
                "bid": str(ticker.bid),
                "ask": str(ticker.ask),
                "open": str(ticker.open),
                "high": str(ticker.high),
                "low": str(ticker.low),
                "close": str(ticker.close),
                "last": str(ticker.close),
                "baseVolume": str(ticker.volume),
                "info": {},
            },
            market,
        )
        return row

    async def fetch_tickers(
        self, symbols: list[str] | None = None, params: Row | None = None
    ) -> Row:
        """Return the tickers of some or all symbols."""
        await self.load_markets()
        chosen = self.market_symbols(symbols) or list(self.market_data.listings)
        rows = {}
        for symbol in chosen:
            rows[symbol] = await self.fetch_ticker(symbol)
            await asyncio.sleep(0)  # yields to other tasks, as network I/O would
        return rows

    async def fetch_ohlcv(
        self,
        symbol: str,
        timeframe: str = "1m",
        since: int | None = None,
        limit: int | None = None,
        params: Row | None = None,
    ) -> list[list[float]]:
        """Return candles, oldest first; the last one is running."""
        await self.load_markets()
        await self._send_request("fetch_ohlcv")
        if timeframe not in TIME_FRAMES_MS:
            raise BadRequest(f"the sandbox has no time frame {timeframe}")
        candles = self.market_data.candles(
            self.market(symbol)["symbol"],
            timeframe,
            since_ms=since,
            limit=min(limit or _DEFAULT_CANDLES, _MAX_ROWS),
        )
        return candle_rows(candles)

    async def fetch_trades(
        self,
        symbol: str,
        since: int | None = None,
        limit: int | None = None,
        params: Row | None = None,
    ) -> list[Row]:
        """Return public trades, oldest first."""
        await self.load_markets()
        await self._send_request("fetch_trades")
        market = self.market(symbol)
        trades = self.market_data.trades(
            market["symbol"], since_ms=since, limit=min(limit or _DEFAULT_TRADES, _MAX_ROWS)
        )
        return self.trade_rows(trades, market)

    async def fetch_order_book(
        self, symbol: str, limit: int | None = None, params: Row | None = None
    ) -> Row:
        """Return the order book."""
        await self.load_markets()
        await self._send_request("fetch_order_book")
        name = self.market(symbol)["symbol"]
        book = self.market_data.book(name, min(limit or _DEFAULT_DEPTH, _MAX_ROWS))
        now_ms = self.market_data.now_ms()
        return {
            "symbol": name,
            "bids": _level_rows(book.bids),
            "asks": _level_rows(book.asks),
            "timestamp": now_ms,
            "datetime": self.iso8601(now_ms),
            "nonce": now_ms,
        }

    def market(self, symbol: str) -> Row:
        """Return a loaded market."""
        if symbol not in self.market_data.listings:
            raise BadSymbol(f"{symbol} is not traded on the sandbox")
        row: Row = super().market(symbol)
        return row

    def trade_rows(self, trades: Iterable[PublicTrade], market: Row) -> list[Row]:
        """Return public trades as ccxt's `safe_trade` would, in a tenth of its time."""
        symbol = market["symbol"]
        return [
            {
                "id": trade.id,
                "timestamp": trade.time_ms,
                "datetime": self.iso8601(trade.time_ms),
                "symbol": symbol,
                "side": trade.side,
                "price": float(trade.price),
                "amount": float(trade.amount),
                "takerOrMaker": "taker",
                "info": {},
                "fee": {"cost": None, "currency": None},
                "fees": [],
                "cost": float(trade.price * trade.amount),
            }
            for trade in trades
        ]


def candle_rows(candles: Iterable[Candle]) -> list[list[float]]:
    """Return candles as ccxt's OHLCV rows."""
    return [[candle.time_ms, *(float(value) for value in candle[1:])] for candle in candles]


def _level_rows(offers: Iterable[PriceLevel]) -> list[list[float]]:
    return [[float(offer.price), float(offer.amount)] for offer in offers]
