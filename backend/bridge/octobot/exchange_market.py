"""Market data of one exchange, fetched through OctoBot: tickers, candles, order books, prices."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from decimal import Decimal
from itertools import islice
from operator import itemgetter
from typing import Any

import octobot_trading.errors as trading_errors
import octobot_trading.exchange_channel as exchange_channel
from octobot_commons.enums import TimeFrames, TimeFramesMinutes
from octobot_trading.constants import RECENT_TRADES_CHANNEL
from octobot_trading.enums import ExchangeConstantsOrderColumns as Col

from backend.accounting.valuation import quoting_symbols
from backend.bridge.octobot.conversion import decimal_or_none
from backend.bridge.octobot.observed_reads import price_times
from backend.bridge.octobot.read_errors import translate_read_errors
from backend.errors import BotNotReady, ExchangeUnreachable, InvalidSymbol

_RECENT = 20
_PRICE = Col.PRICE.value
_executed_at = itemgetter(Col.TIMESTAMP.value)
_PRICE_TIMEOUT_S = 5

Raw = dict[str, Any]
"""A response in ccxt's format."""


def interval_minutes(interval: str) -> int:
    """Return the length of a candle in minutes, such as 60 for "1h"."""
    return int(TimeFramesMinutes[TimeFrames(interval)])


class ExchangeMarket:
    """Prices and market data of one exchange; used on the bot's loop only.

    Methods that send a request raise the error that names why it failed, such as
    `ExchangeUnreachable`, `ExchangeMaintenance`, `SymbolNotTraded`.
    """

    __slots__ = ("_manager", "_name", "_symbols_data", "_times")

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        self._name: str = manager.exchange_name
        self._symbols_data = manager.exchange_symbols_data
        self._times = price_times(manager.exchange.connector.client)

    def last_price(self, symbol: str) -> Decimal | None:
        """Return the price of the newest public trade, else the mark price, else None.

        A ticker's price goes before trades that have not been told for a while.

        OctoBot's mark price is a mean of recent trades: neither on the tick nor the newest.
        """
        quote = self._times.later_quote(symbol)
        if quote is not None:
            return quote
        data = self._symbols_data.get_exchange_symbol_data(symbol)
        trades = list(islice(reversed(data.recent_trades_manager.recent_trades), _RECENT))
        if trades:
            return decimal_or_none(max(trades, key=_executed_at)[_PRICE])
        return decimal_or_none(data.prices_manager.mark_price)

    def price_age_s(self, symbol: str) -> float | None:
        """Return the seconds since the exchange confirmed the price; None before the first."""
        return self._times.age_s(symbol)

    def prefer_tickers_after(self, seconds: float) -> None:
        """Prefer a later ticker's price once the last trade is older than this."""
        self._times.trades_lead_s = seconds

    async def confirm_price(self, symbol: str) -> None:
        """Fetch a price: a ticker, or trades where the exchange has none."""
        if self._manager.exchange.connector.client.has.get("fetchTicker"):
            await self.ticker(symbol)
            return
        with translate_read_errors(self._name, "trades", symbol):
            trades = await self._manager.exchange.get_recent_trades(symbol)
            if trades:
                channel = exchange_channel.get_chan(RECENT_TRADES_CHANNEL, self._manager.id)
                await channel.get_internal_producer().push(symbol, trades)

    async def wait_for_price(self, symbol: str, timeout_s: float = _PRICE_TIMEOUT_S) -> Decimal:
        """Return the last price, waiting a moment for the first one after a boot.

        Raises `InvalidSymbol` when the bot does not follow the symbol, `BotNotReady` when no
        price comes in time.
        """
        self.require_symbol(symbol)
        prices = self._symbols_data.get_exchange_symbol_data(symbol).prices_manager
        try:
            mark_price = await prices.get_mark_price(timeout=timeout_s)
        except asyncio.TimeoutError:
            raise BotNotReady(f"no price of {symbol} has arrived yet") from None
        except trading_errors.UnreachableExchange:
            raise ExchangeUnreachable("the exchange does not answer") from None
        return self.last_price(symbol) or Decimal(str(mark_price))

    def require_symbol(self, symbol: str) -> None:
        """Raise `InvalidSymbol` unless the bot follows the symbol."""
        if symbol not in self._manager.exchange_config.traded_symbol_pairs:
            raise InvalidSymbol(f"{symbol} is not traded on {self._name}")

    def funding_rate(self, symbol: str) -> Decimal | None:
        """Return the funding rate of a contract, None where the exchange publishes none."""
        data = self._symbols_data.get_exchange_symbol_data(symbol)
        return decimal_or_none(data.funding_manager.funding_rate)

    @property
    def has_all_tickers(self) -> bool:
        """Whether the exchange returns the tickers of many symbols in one response."""
        return bool(self._manager.exchange.connector.client.has.get("fetchTickers"))

    def quoting_symbols(self, assets: Collection[str], reference: str) -> list[str]:
        """Return the spot symbols that price assets in the reference, in one step or two."""
        client = self._manager.exchange.connector.client
        pairs = {
            (market["base"], market["quote"]): symbol
            for symbol, market in (client.markets or {}).items()
            if market.get("spot") and market.get("active") is not False
        }
        return quoting_symbols(pairs, assets, reference)

    async def ticker(self, symbol: str) -> Raw:
        """Fetch a symbol's ticker."""
        with translate_read_errors(self._name, "a ticker", symbol):
            raw: Raw = await self._manager.exchange.get_price_ticker(symbol)
            return raw

    async def tickers(self, symbols: Sequence[str] | None) -> dict[str, Raw]:
        """Fetch the tickers of many symbols, or of all, in one request.

        A symbol that the exchange leaves out is left out: OctoBot would return its last one.
        """
        asked_at = time.monotonic()
        with translate_read_errors(self._name, "tickers"):
            raw = await self._manager.exchange.get_all_currencies_price_ticker(symbols=symbols)
            return {
                symbol: ticker
                for symbol, ticker in raw.items()
                if self._times.has_ticker_since(symbol, asked_at)
            }

    async def candles(self, symbol: str, interval: str, limit: int) -> list[list[float]]:
        """Fetch the newest candles: rows of time, open, high, low, close, volume."""
        with translate_read_errors(self._name, "candles", symbol):
            rows: list[list[float]] = await self._manager.exchange.get_symbol_prices(
                symbol, TimeFrames(interval), limit=limit
            )
            return rows

    async def order_book(self, symbol: str, limit: int) -> Raw:
        """Fetch the best levels: `asks` and `bids`, rows of price and quantity."""
        with translate_read_errors(self._name, "an order book", symbol):
            raw: Raw = await self._manager.exchange.get_order_book(symbol, limit=limit)
            return raw
