"""Orders as ccxt's own classes send them, recorded without a network."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import ccxt
import ccxt.async_support

from backend.bridge.octobot.order_abilities import price_to_send

EXCHANGES = (
    *("binance", "okx", "bybit", "kraken", "kucoin", "gate", "bitget", "coinbase", "bingx"),
    *("htx", "mexc", "hyperliquid", "bitfinex", "phemex", "cryptocom"),
)
SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
_KEYS = {
    "apiKey": "a" * 32,
    "secret": "c2VjcmV0" * 4,
    "password": "password",
    "uid": "1",
    "walletAddress": "0x" + "c" * 40,
    "privateKey": "0x" + "b" * 64,
}
# what a class looks up before it can send an order
_OPTIONS = {
    "gate": {"unifiedAccount": False},
    "bybit": {"enableUnifiedMargin": False, "enableUnifiedAccount": True, "unifiedMarginStatus": 3},
    "hyperliquid": {"approvedBuilderFee": True, "builderFee": False, "refSet": True},
    "htx": {"accountsByType": {"spot": "1"}},
    "kucoin": {"hf": True, "uta": False},
}
_BINANCE_TYPES = [
    *("LIMIT", "MARKET", "LIMIT_MAKER", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT"),
    *("TAKE_PROFIT_LIMIT", "STOP", "STOP_MARKET", "TAKE_PROFIT_MARKET"),
]


class Request(NamedTuple):
    """A request that would have been sent."""

    method: str
    url: str
    body: str

    @property
    def text(self) -> str:
        """Everything that the exchange would read."""
        return f"{self.url} {self.body}"


class _Sent(Exception):
    pass


def make_client(exchange: str) -> Any:
    """Return ccxt's class of an exchange with two markets, for what needs no network."""
    client = getattr(ccxt, exchange)(_KEYS)
    client.set_markets(_markets(client))
    return client


def send_order(
    exchange: str, symbol: str, kind: str, params: dict[str, Any], side: str = "sell"
) -> Request:
    """Return ccxt's request for an order; raises ccxt's error where it refuses to make one."""
    return asyncio.run(_send_order(exchange, symbol, kind, params, side))


async def _send_order(
    exchange: str, symbol: str, kind: str, params: dict[str, Any], side: str
) -> Request:
    sent: list[Request] = []

    async def record(
        url: str, method: str = "GET", headers: object = None, body: object = None
    ) -> Any:
        sent.append(Request(method, url, str(body or "")))
        raise _Sent

    client = getattr(ccxt.async_support, exchange)({**_KEYS, "options": _OPTIONS.get(exchange, {})})
    client.fetch = record
    client.set_markets(_markets(client))
    client.accounts = [{"id": "1", "type": "spot"}]
    try:
        amount = 1 if exchange == "gate" and symbol == SWAP else 0.01
        price = price_to_send(client, symbol, kind, side, 20_000)
        await client.create_order(symbol, kind, side, amount, price, params)
    except _Sent:
        return sent[-1]
    finally:
        await client.close()
    raise AssertionError("nothing was sent")


def _markets(client: Any) -> list[Any]:
    """Return a spot market and a linear perpetual, as far as request builders read them."""
    amount, price = (5, 2) if client.id == "bitfinex" else (1e-5, 0.01)
    spot = {
        "id": "tBTCUSDT" if client.id == "bitfinex" else "BTCUSDT",
        "lowercaseId": "btcusdt",
        "symbol": SPOT,
        **{"base": "BTC", "quote": "USDT", "baseId": "10000", "quoteId": "USDT"},
        **{"type": "spot", "spot": True, "active": True},
        "precision": {"amount": amount, "price": price, "cost": 0.01},
        "limits": {"amount": {"min": 1e-5}, "price": {}, "cost": {}},
        **{"taker": 0.001, "maker": 0.001},
        **{"priceScale": 8, "valueScale": 8, "quoteValueScale": 8},
        "info": {"orderTypes": _BINANCE_TYPES},
    }
    swap = {
        **spot,
        **{"id": "BTCUSDT_P", "symbol": SWAP, "settle": "USDT", "settleId": "USDT"},
        **{"type": "swap", "spot": False, "swap": True, "contract": True},
        **{"linear": True, "inverse": False, "contractSize": 1.0},
    }
    if client.id == "gate":
        swap["precision"] = {"amount": 1, "price": 0.01}
    return [client.safe_market_structure(market) for market in (spot, swap)]
