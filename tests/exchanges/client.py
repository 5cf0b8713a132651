"""ccxt class of the offline exchange: description, requests, public endpoints."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar, NoReturn, TypeVar

import ccxt.async_support
from ccxt.base.errors import BadSymbol, NotSupported

from tests.exchanges.errors import failure_of, raise_unavailable
from tests.exchanges.listings import MODES, Listing
from tests.exchanges.matching import now_ms
from tests.exchanges.rows import Row
from tests.exchanges.state import State, StateFile

T = TypeVar("T")
TIME_FRAMES = {"1m": 60, "5m": 300, "15m": 900, "1h": 3600, "4h": 14400, "1d": 86400}
_PUBLIC = (
    *("fetchMarkets", "fetchTicker", "fetchTickers", "fetchOHLCV", "fetchTrades"),
    *("fetchOrderBook", "fetchTime", "fetchStatus", "fetchFundingRate"),
)
_PRIVATE = (
    *("fetchBalance", "createOrder", "editOrder", "cancelOrder", "cancelAllOrders"),
    *("fetchOrder", "fetchOrders", "fetchOpenOrders", "fetchClosedOrders", "fetchMyTrades"),
    *("fetchOrderTrades", "fetchPosition", "fetchPositions", "setLeverage", "setMarginMode"),
    *("fetchDeposits", "fetchWithdrawals", "fetchLedger", "createTriggerOrder"),
    *("createStopLossOrder", "createTakeProfitOrder", "createReduceOnlyOrder"),
)
_SPREAD = Decimal("0.0001")


class OfflinePublic(ccxt.async_support.Exchange):
    """Public endpoints over the state `file`, which `OfflineExchange.install` sets."""

    file: ClassVar[StateFile]
    name_of_class: ClassVar[str]

    def describe(self) -> Row:
        """Describe the exchange; what it lacks is False in `has`."""
        behavior = self.file.peek().behavior
        has = dict.fromkeys(_PUBLIC + _PRIVATE, True) | dict.fromkeys(behavior.lacks, False)
        return self.deep_extend(
            super().describe(),
            {
                "id": self.name_of_class,
                "name": "Offline",
                "rateLimit": 1,
                "precisionMode": MODES[behavior.precision_mode],
                "has": {"CORS": None, "spot": True, "swap": True, **has},
                "timeframes": {name: name for name in TIME_FRAMES},
                # OctoBot caches markets by class name and address
                "urls": {"api": f"offline://{self.file.path}", "www": "", "doc": []},
                "requiredCredentials": {"apiKey": True, "secret": True},
                "fees": {"trading": {"maker": 0.001, "taker": 0.001, "percentage": True}},
            },
        )

    async def fetch(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: there is no network."""
        raise NotSupported("offline there is no network")

    async def ask(self, endpoint: str, read: Callable[[State], T]) -> T:
        """Carry out a request that changes nothing but counts."""
        return await self.change(endpoint, read)

    async def change(self, endpoint: str, action: Callable[[State], T]) -> T:
        """Carry out a request; an error of the action leaves the state as it was."""
        latency_s = self.file.peek().behavior.latency_s
        if latency_s:
            await asyncio.sleep(latency_s)
        if has_effect(self.file.peek(), endpoint):
            with self.file.changing() as state:
                state.requests[endpoint] = state.requests.get(endpoint, 0) + 1
                failed = failure_of(state, endpoint, after=False)
            if failed is not None:
                raise failed
        raise_unavailable(self.file.peek())
        if endpoint not in COMMANDS:
            result = action(self.file.peek())
        else:
            with self.file.changing() as state:
                result = action(state)
        if self.file.peek().failures:
            with self.file.changing() as state:
                failed = failure_of(state, endpoint, after=True)
            if failed is not None:
                raise failed
        return result

    def listing(self, state: State, symbol: str) -> Listing:
        """Return a listing that can be traded; raises BadSymbol."""
        if symbol not in state.listings or symbol in state.behavior.delisted:
            raise BadSymbol(f"offline does not have market symbol {symbol}")
        return state.listings[symbol]

    async def fetch_time(self, params: Row | None = None) -> int:
        return now_ms()

    async def fetch_status(self, params: Row | None = None) -> Row:
        return {"status": "ok", "updated": now_ms(), "eta": None, "url": None, "info": {}}

    async def fetch_markets(self, params: Row | None = None) -> list[Row]:
        def read(state: State) -> list[Row]:
            behavior = state.behavior
            return [
                each.market_row(behavior.precision_mode, behavior.fee_rates)
                for each in state.listings.values()
            ]

        return [self.safe_market_structure(row) for row in await self.ask("fetch_markets", read)]

    async def fetch_ticker(self, symbol: str, params: Row | None = None) -> Row:
        await self.load_markets()
        return await self.ask("fetch_ticker", lambda state: self._ticker(state, symbol))

    async def fetch_tickers(
        self, symbols: list[str] | None = None, params: Row | None = None
    ) -> Row:
        await self.load_markets()
        return await self.ask(
            "fetch_tickers",
            lambda state: {s: self._ticker(state, s) for s in symbols or list(state.listings)},
        )

    async def fetch_ohlcv(
        self,
        symbol: str,
        timeframe: str = "1m",
        since: int | None = None,
        limit: int | None = None,
        params: Row | None = None,
    ) -> list[list[float]]:
        await self.load_markets()

        def read(state: State) -> list[list[float]]:
            self.listing(state, symbol)
            price, length = float(state.prices[symbol]), TIME_FRAMES[timeframe] * 1000
            last, count = now_ms() // length * length, limit or 100
            return [
                [last - length * back, price, price, price, price, 1.0]
                for back in range(count - 1, -1, -1)
            ]

        return await self.ask("fetch_ohlcv", read)

    async def fetch_trades(
        self,
        symbol: str,
        since: int | None = None,
        limit: int | None = None,
        params: Row | None = None,
    ) -> list[Row]:
        await self.load_markets()

        def read(state: State) -> list[Row]:
            self.listing(state, symbol)
            at = now_ms()
            row = {"id": str(at), "timestamp": at, "datetime": self.iso8601(at), "side": "buy"}
            price = {"price": str(state.prices[symbol]), "amount": "1"}
            more = {"type": None, "takerOrMaker": "taker", "order": None, "info": {}}
            return [self.safe_trade({**row, **price, **more, "symbol": symbol})]

        return await self.ask("fetch_trades", read)

    async def fetch_order_book(
        self, symbol: str, limit: int | None = None, params: Row | None = None
    ) -> Row:
        await self.load_markets()

        def read(state: State) -> Row:
            self.listing(state, symbol)
            price, at = float(state.prices[symbol]), now_ms()
            half = price * float(_SPREAD)
            bids = [[price - half * (level + 1), 1.0] for level in range(limit or 20)]
            asks = [[price + half * (level + 1), 1.0] for level in range(limit or 20)]
            book = {"bids": bids, "asks": asks, "nonce": None}
            return {**book, "symbol": symbol, "timestamp": at, "datetime": self.iso8601(at)}

        return await self.ask("fetch_order_book", read)

    async def fetch_funding_rate(self, symbol: str, params: Row | None = None) -> Row:
        await self.load_markets()
        hour = 3_600_000
        next_ms = now_ms() // hour * hour + hour
        return {
            "symbol": symbol,
            "fundingRate": 0.0001,
            "fundingTimestamp": next_ms,
            "previousFundingTimestamp": next_ms - hour,
            "info": {},
        }

    def _ticker(self, state: State, symbol: str) -> Row:
        self.listing(state, symbol)
        price, at = state.prices[symbol], now_ms()
        row = {"symbol": symbol, "timestamp": at, "datetime": self.iso8601(at), "info": {}}
        quotes = dict.fromkeys(("open", "high", "low", "close", "last"), str(price))
        bid, ask = str(price * (1 - _SPREAD)), str(price * (1 + _SPREAD))
        return self.safe_ticker({**row, **quotes, "bid": bid, "ask": ask, "baseVolume": "1000"})


COMMANDS = frozenset(
    {"create_order", "edit_order", "cancel_order", "set_leverage", "set_margin_mode"}
)


def has_effect(state: State, endpoint: str) -> bool:
    """Return whether a request is to be written down: reads are not, unless they may fail."""
    return endpoint in COMMANDS or bool(state.failures)
