"""Patch that cleans what OctoBot's ccxt clients read, and records when prices were confirmed.

OctoBot 2.0.15 and 2.1.1 stop at a null in a candle or a position, take a balance below zero
for zero, and know no age of a price. The patch stays; tests/bridge/octobot/test_market_rows.py
and test_account_rows.py have the rows.
"""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

from octobot_trading.enums import ExchangeConstantsOrderColumns as Col
from octobot_trading.enums import MarkPriceSources
from octobot_trading.exchange_data import ExchangeSymbolData
from octobot_trading.exchanges.connectors.ccxt.ccxt_adapter import CCXTAdapter
from octobot_trading.exchanges.connectors.ccxt.ccxt_connector import CCXTConnector
from octobot_trading.exchanges.types.rest_exchange import RestExchange

from backend.bridge.octobot.account_rows import CONTRACT_ALONE
from backend.bridge.octobot.observed_reads import observe, price_times

_create_client = CCXTConnector._create_client
_handle_trades = ExchangeSymbolData.handle_recent_trade_update
_handle_mark_price = ExchangeSymbolData.handle_mark_price_update
# 2.1 has options too
_LOAD_CONTRACT = (
    "load_pair_contract"
    if hasattr(RestExchange, "load_pair_contract")
    else "load_pair_future_contract"
)
_load_octobot_contract = getattr(RestExchange, _LOAD_CONTRACT)
_parse_octobot_balance = CCXTAdapter.parse_balance
_TIME = Col.TIMESTAMP.value
_MEAN = MarkPriceSources.RECENT_TRADE_AVERAGE.value


def observe_clients() -> None:
    """Wrap each client that a connector creates, and the prices that websockets push."""
    CCXTConnector._create_client = _create_observed
    CCXTAdapter.parse_balance = _parse_balance
    setattr(RestExchange, _LOAD_CONTRACT, _load_contract)
    ExchangeSymbolData.handle_recent_trade_update = _record_trades
    ExchangeSymbolData.handle_mark_price_update = _record_mark_price


def _create_observed(connector: Any, *args: Any, **kwargs: Any) -> None:
    _create_client(connector, *args, **kwargs)
    observe(connector.client)


def _parse_balance(adapter: Any, fixed: Any, **kwargs: Any) -> Any:
    """Keep amounts below zero, which OctoBot replaces by zero: money that is owed."""
    balances = _parse_octobot_balance(adapter, fixed, **kwargs)
    for asset, row in balances.items():
        for name in row:
            amount = Decimal(str(fixed[asset][name]))
            if amount < 0:
                row[name] = amount
    return balances


async def _load_contract(exchange: Any, pair: str) -> Any:
    """Load a contract, also one whose position cannot be read: the account waits for it."""
    token = CONTRACT_ALONE.set(True)
    try:
        return await _load_octobot_contract(exchange, pair)
    finally:
        CONTRACT_ALONE.reset(token)


def _record_trades(data: Any, recent_trades: Any, *args: Any, **kwargs: Any) -> Any:
    """Confirm a price for the time of its newest trade: a poll has confirmed it for its own."""
    if recent_trades and not data.exchange_manager.is_backtesting:
        client = data.exchange_manager.exchange.connector.client
        newest = max(trade[_TIME] for trade in recent_trades)
        behind_s = max(0.0, client.milliseconds() / 1000 - newest)
        price_times(client).confirm_trades(data.symbol, time.monotonic() - behind_s)
    return _handle_trades(data, recent_trades, *args, **kwargs)


def _record_mark_price(data: Any, mark_price: Decimal, source: str) -> bool:
    if source != _MEAN and not data.exchange_manager.is_backtesting:
        client = data.exchange_manager.exchange.connector.client
        price_times(client).confirm_quote(data.symbol, mark_price, time.monotonic())
    return bool(_handle_mark_price(data, mark_price, source))
