"""Rules of markets whose prices have significant digits, and of ccxt classes with own rules."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import ccxt.async_support
import pytest

from backend.bridge.octobot.trading_rules import check_price, nearest_price, read_rules
from backend.errors import PriceOffTick, QuantityOffStep
from backend.schemas.markets import Market
from tests.bridge.live_bridge import BTC
from tests.exchanges.offline_bridge import OfflineBridge
from tests.waiting import shutting_down

D = Decimal
SYMBOL = "BTC/USDC:USDC"


def rules_of(client: Any, **market: Any) -> Market:
    """Return the rules of a market of an exchange's own ccxt class."""
    client.set_markets(
        [
            {
                **client.safe_market_structure(),
                "id": "0",
                "symbol": SYMBOL,
                "base": "BTC",
                "quote": "USDC",
                "baseId": "BTC",
                "quoteId": "USDC",
                **market,
            }
        ]
    )
    connector = SimpleNamespace(client=client)
    return read_rules(
        SimpleNamespace(exchange=SimpleNamespace(connector=connector), exchange_name=client.id),
        SYMBOL,
    )


def check(client: Any, rules: Market, price: str) -> None:
    check_price(rules, D(price), "price", lambda value: nearest_price(client, SYMBOL, value))


@pytest.mark.parametrize(
    ("price", "near"),
    [("1.2345", None), ("12345", None), ("0.00012345", None), ("1.23456", "1.2346")],
)
def test_bitfinex_takes_five_significant_digits(price, near):
    client = ccxt.async_support.bitfinex()
    rules = rules_of(client, spot=True, precision={"amount": 8, "price": 5})
    assert (rules.price_step, rules.contract_size) == (None, None)
    if near is None:
        check(client, rules, price)
    else:
        with pytest.raises(PriceOffTick, match=f"try {near}"):
            check(client, rules, price)


@pytest.mark.parametrize(
    ("price", "near"),
    [("123456", None), ("1234.5", None), ("1234.56", "1234.6"), ("0.0001", "0")],
)
def test_hyperliquid_takes_whole_prices_of_any_length_and_else_five_digits(price, near):
    client = ccxt.async_support.hyperliquid()
    market = {"contract": True, "swap": True, "spot": False, "contractSize": 1}
    rules = rules_of(client, **market, precision={"amount": 0.001, "price": 0.1})
    assert rules.quantity_step == D("0.001")
    if near is None:
        check(client, rules, price)
    else:
        with pytest.raises(PriceOffTick, match=f"try {near}$"):
            check(client, rules, price)


def test_a_market_that_names_no_precision_takes_any_price():
    client = ccxt.async_support.binance()
    rules = rules_of(client, spot=True, precision={"amount": None, "price": None})
    assert (rules.price_step, rules.quantity_step) == (None, None)
    check(client, rules, "1.234567890123")


def test_orders_are_checked_by_significant_digits(tmp_path):
    with shutting_down(OfflineBridge(tmp_path, precision_mode="significant_digits")) as live:
        live.boot()
        with pytest.raises(PriceOffTick, match=r"price: 39000\.5 has too many digits, try 39001"):
            live.place(symbol=BTC, type="limit", price="39000.5", quantity="0.1")
        assert live.orders() == []
        order = live.place(symbol=BTC, type="limit", price="39001", quantity="0.1")
        assert live.exchange.order(order.id).price == D(39_001)


def test_a_tick_of_a_millionth_of_a_millionth_is_exact(tmp_path):
    from tests.exchanges.listings import TINY_TICK

    settings = {"symbols": (TINY_TICK.symbol,)}
    with shutting_down(
        OfflineBridge(
            tmp_path, precision_mode="tick_size", listings=(TINY_TICK,), settings=settings
        )
    ) as live:
        live.boot()
        order = live.place(
            symbol=TINY_TICK.symbol, type="limit", price="0.000001134567", quantity="2000000"
        )
        assert live.exchange.order(order.id).price == D("0.000001134567")
        with pytest.raises(PriceOffTick):
            live.place(
                symbol=TINY_TICK.symbol, type="limit", price="0.0000011345675", quantity="2000000"
            )
        with pytest.raises(QuantityOffStep):
            live.place(
                symbol=TINY_TICK.symbol, type="limit", price="0.000001134567", quantity="2000000.5"
            )
