"""An offline ccxt exchange whose answers a test writes itself, as odd as real ones are."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import ccxt
import ccxt.async_support
from ccxt.base.decimal_to_precision import TICK_SIZE

NAME = "oddexchange"
_HAS = (
    *("fetchMarkets", "fetchTicker", "fetchTickers", "fetchOHLCV", "fetchTrades"),
    *("fetchOrderBook", "fetchBalance", "createOrder", "cancelOrder", "fetchOrder"),
    *("fetchOpenOrders", "fetchClosedOrders", "fetchMyTrades", "fetchPosition", "fetchPositions"),
)
Answer = Callable[[], Any]


def now_ms() -> int:
    return int(time.time() * 1000)


@dataclass
class World:
    """What the exchange lists and answers; `answers` of (endpoint, symbol) go before the rest."""

    prices: dict[str, str]
    answers: dict[tuple[str, str | None], Any] = field(default_factory=dict)
    balances: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    down: Exception | None = None

    def answer(self, endpoint: str, symbol: Any, usual: Answer) -> Any:
        self.asked.append((endpoint, symbol))
        if self.down is not None:
            raise self.down
        key = symbol if isinstance(symbol, str) else None
        if (endpoint, key) in self.answers:
            written = self.answers[endpoint, key]
            if isinstance(written, Exception):
                raise written
            return written() if callable(written) else written
        return usual()


class OddExchange(ccxt.async_support.Exchange):  # type: ignore[misc]  # ccxt is untyped
    """A spot and swap exchange on a `World`, without a websocket."""

    world: ClassVar[World]

    def describe(self) -> dict[str, Any]:
        return self.deep_extend(
            super().describe(),
            {
                "id": NAME,
                "name": "Odd Exchange",
                "rateLimit": 1,
                "precisionMode": TICK_SIZE,
                "has": {"spot": True, "swap": True, **dict.fromkeys(_HAS, True)},
                "timeframes": {"1m": "1m", "1h": "1h", "1d": "1d"},
                "urls": {"api": f"odd://{id(self.world)}", "www": "", "doc": []},
                "requiredCredentials": {"apiKey": True, "secret": True},
            },
        )

    async def fetch(self, *_: Any, **__: Any) -> Any:
        raise ccxt.NotSupported("there is no network")

    async def fetch_markets(self, params: Any = None) -> list[Any]:
        return [self.safe_market_structure(_market(symbol)) for symbol in self.world.prices]

    async def fetch_ticker(self, symbol: str, params: Any = None) -> Any:
        self.market(symbol)
        return self.world.answer("fetch_ticker", symbol, lambda: self._ticker(symbol))

    async def fetch_tickers(self, symbols: Any = None, params: Any = None) -> Any:
        wanted = list(self.world.prices) if symbols is None else symbols
        return self.world.answer(
            "fetch_tickers", symbols, lambda: {symbol: self._ticker(symbol) for symbol in wanted}
        )

    async def fetch_ohlcv(
        self,
        symbol: str,
        timeframe: str = "1m",
        since: Any = None,
        limit: Any = None,
        params: Any = None,
    ) -> Any:
        return self.world.answer("fetch_ohlcv", symbol, lambda: self._candles(symbol, timeframe))

    async def fetch_trades(
        self, symbol: str, since: Any = None, limit: Any = None, params: Any = None
    ) -> Any:
        return self.world.answer("fetch_trades", symbol, lambda: [self._trade(symbol)])

    async def fetch_order_book(self, symbol: str, limit: Any = None, params: Any = None) -> Any:
        return self.world.answer("fetch_order_book", symbol, lambda: self._book(symbol))

    async def fetch_balance(self, params: Any = None) -> Any:
        return self.world.answer("fetch_balance", None, lambda: {"info": {}, **self.world.balances})

    async def fetch_positions(self, symbols: Any = None, params: Any = None) -> Any:
        return self.world.answer("fetch_positions", None, list)

    async def fetch_position(self, symbol: str, params: Any = None) -> Any:
        return self.world.answer(
            "fetch_position", symbol, lambda: self.safe_position({"symbol": symbol})
        )

    async def fetch_open_orders(
        self, symbol: Any = None, since: Any = None, limit: Any = None, params: Any = None
    ) -> Any:
        return self.world.answer("fetch_open_orders", symbol, list)

    async def fetch_closed_orders(
        self, symbol: Any = None, since: Any = None, limit: Any = None, params: Any = None
    ) -> Any:
        return self.world.answer("fetch_closed_orders", symbol, list)

    async def fetch_my_trades(
        self, symbol: Any = None, since: Any = None, limit: Any = None, params: Any = None
    ) -> Any:
        return self.world.answer("fetch_my_trades", symbol, list)

    def _ticker(self, symbol: str) -> Any:
        price = self.world.prices[symbol]
        row = {
            "symbol": symbol,
            "timestamp": now_ms(),
            "last": price,
            "baseVolume": "5",
            "info": {},
        }
        return self.safe_ticker(row)

    def _trade(self, symbol: str) -> Any:
        return {
            "id": str(now_ms()),
            "timestamp": now_ms(),
            "symbol": symbol,
            "side": "buy",
            "price": float(self.world.prices[symbol]),
            "amount": 1.0,
            "info": {},
        }

    def _book(self, symbol: str) -> Any:
        price = float(self.world.prices[symbol])
        return {
            "symbol": symbol,
            "bids": [[price * 0.999, 5.0]],
            "asks": [[price * 1.001, 5.0]],
            "timestamp": now_ms(),
        }

    def _candles(self, symbol: str, timeframe: str) -> Any:
        price = float(self.world.prices[symbol])
        length = {"1m": 60_000, "1h": 3_600_000, "1d": 86_400_000}[timeframe]
        start = now_ms() // length * length
        return [[start - n * length, price, price, price, price, 1.0] for n in range(200, -1, -1)]


def install(world: World) -> World:
    """Make the exchange known to ccxt, in a class of its own."""
    for module in (ccxt, ccxt.async_support):
        setattr(module, NAME, type(NAME, (OddExchange,), {"world": world}))
        if NAME not in module.exchanges:
            module.exchanges.append(NAME)
    return world


def _market(symbol: str) -> dict[str, Any]:
    pair, _, settled = symbol.partition(":")
    base, quote = pair.split("/")
    settle = settled.partition("-")[0] or None
    swap = bool(settled)
    return {
        "id": symbol,
        "symbol": symbol,
        "base": base,
        "quote": quote,
        "baseId": base,
        "quoteId": quote,
        "settle": settle,
        "settleId": settle,
        "type": "swap" if swap else "spot",
        "spot": not swap,
        "swap": swap,
        "contract": swap,
        "linear": settle == quote if swap else None,
        "inverse": settle == base if swap else None,
        "contractSize": 1 if swap else None,
        "active": True,
        "maker": 0.001,
        "taker": 0.001,
        "precision": {"amount": 1e-8, "price": 1e-8},
        "limits": {
            "amount": {"min": 1e-8, "max": 1e9},
            "price": {"min": None, "max": None},
            "cost": {"min": None, "max": None},
        },
        "info": {},
    }
