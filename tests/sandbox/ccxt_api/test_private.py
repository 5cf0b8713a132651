"""The sandbox's private ccxt endpoints: orders, balances, injected faults."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal

import ccxt
import ccxt.async_support
import pytest

from backend.sandbox import Fault, MatchingEngine, install

BTC = "BTC/USDT"
FUNDS = {"key": {"USDT": Decimal(100_000), "BTC": Decimal(2)}}


@pytest.fixture
def engine(market):
    market.pin(BTC, Decimal(50_000))
    engine = MatchingEngine(market, FUNDS)
    install(market, engine)
    return engine


@pytest.fixture
def client(engine):
    return ccxt.async_support.sandbox({"apiKey": "key", "secret": "any"})


def call(coroutine):
    return asyncio.run(coroutine)


def test_the_balance_tells_free_and_used(client):
    call(client.create_order(BTC, "limit", "buy", 1, 40_000))
    balance = call(client.fetch_balance())
    assert balance["USDT"] == {"free": 60_000, "used": 40_000, "total": 100_000}
    assert balance["total"] == {"USDT": 100_000, "BTC": 2}


def test_an_order_is_found_by_both_ids_in_every_list(client, market):
    created = call(
        client.create_limit_buy_order(BTC, 0.123456789, 40_000.001, {"clientOrderId": "mine"})
    )
    assert (created["amount"], created["price"], created["status"]) == (0.12345, 40_000, "open")
    assert (created["type"], created["side"], created["filled"]) == ("limit", "buy", 0)
    assert created["remaining"] == 0.12345
    assert call(client.fetch_order(created["id"], BTC)) == created
    assert call(client.fetch_order("", BTC, {"clientOrderId": "mine"})) == created
    assert call(client.fetch_open_orders(BTC)) == call(client.fetch_orders()) == [created]
    assert call(client.fetch_open_orders("ETH/USDT")) == []
    market.pin(BTC, Decimal(39_000))
    closed = call(client.fetch_closed_orders(BTC))[0]
    assert (closed["id"], closed["status"], closed["average"]) == (created["id"], "closed", 40_000)
    assert closed["fee"] == {"cost": 0.00012345, "currency": "BTC"}
    trade = call(client.fetch_my_trades(BTC))[0]
    assert (trade["order"], trade["price"], trade["takerOrMaker"]) == (
        created["id"],
        40_000,
        "maker",
    )
    assert trade["fee"]["cost"] == 0.00012345
    assert call(client.fetch_open_orders()) == []


def test_canceled_orders_are_listed_as_such(client):
    first = call(client.create_order(BTC, "limit", "sell", 0.1, 60_000, {"clientOrderId": "a"}))
    call(client.create_order(BTC, "limit", "sell", 0.1, 61_000))
    assert call(client.cancel_order("", BTC, {"clientOrderId": "a"}))["status"] == "canceled"
    assert len(call(client.cancel_all_orders(BTC))) == 1
    canceled = call(client.fetch_canceled_orders(BTC))
    assert [order["status"] for order in canceled] == ["canceled", "canceled"]
    assert canceled[0]["id"] == first["id"]
    with pytest.raises(ccxt.OrderNotFound):
        call(client.cancel_order(first["id"]))


@pytest.mark.parametrize(
    ("side", "price", "params", "type_"),
    [
        ("sell", None, {"stopLossPrice": 48_000}, "stop_loss"),
        ("sell", 47_000, {"stopLossPrice": 48_000}, "stop_loss_limit"),
        ("sell", None, {"takeProfitPrice": 52_000}, "take_profit"),
        ("buy", 48_000, {"takeProfitPrice": 48_500}, "take_profit_limit"),
        ("buy", None, {"triggerPrice": 52_000}, "stop_loss"),
        ("sell", None, {"stopPrice": 52_000}, "take_profit"),
    ],
)
def test_trigger_orders_wait(client, side, price, params, type_):
    execution = "market" if price is None else "limit"
    order = call(client.create_order(BTC, execution, side, 0.1, price, params))
    assert (order["type"], order["status"]) == (type_, "open")
    assert order["triggerPrice"] == next(iter(params.values()))


def test_an_edit_keeps_the_id(client):
    order = call(client.create_order(BTC, "limit", "buy", 0.1, 40_000))
    edited = call(client.edit_order(order["id"], BTC, "limit", "buy", 0.2, 41_000))
    assert (edited["id"], edited["amount"], edited["price"]) == (order["id"], 0.2, 41_000)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((BTC, "limit", "buy", 0.1, None), ccxt.ArgumentsRequired),
        ((BTC, "iceberg", "buy", 0.1, 1), ccxt.InvalidOrder),
        ((BTC, "limit", "buy", 0.00001, 1), ccxt.InvalidOrder),
        ((BTC, "market", "buy", 100), ccxt.InsufficientFunds),
        (("BTC/GBP", "market", "buy", 1), ccxt.BadSymbol),
        ((BTC, "market", "sell", 1, None, {"trailingPercent": 1}), ccxt.NotSupported),
        (
            (BTC, "market", "sell", 1, None, {"stopLossPrice": 50_001}),
            ccxt.OrderImmediatelyFillable,
        ),
    ],
)
def test_bad_orders_raise_as_exchanges_do(client, arguments, error):
    with pytest.raises(error):
        call(client.create_order(*arguments))


def test_private_endpoints_ask_for_a_known_key(engine):
    for config in ({}, {"apiKey": "unknown", "secret": "any"}):
        with pytest.raises(ccxt.AuthenticationError):
            call(ccxt.async_support.sandbox(config).fetch_balance())


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.TIMEOUT_BEFORE, ccxt.RequestTimeout),
        (Fault.TIMEOUT_AFTER, ccxt.RequestTimeout),
        (Fault.REJECTION, ccxt.InvalidOrder),
        (Fault.NO_FUNDS, ccxt.InsufficientFunds),
        (Fault.RATE_LIMIT, ccxt.RateLimitExceeded),
        (Fault.DISCONNECTION, ccxt.NetworkError),
        (Fault.CLOCK_SKEW, ccxt.InvalidNonce),
    ],
)
def test_a_fault_strikes_as_often_as_it_was_armed(client, engine, fault, error):
    engine.faults.inject(fault, "create_order", times=1)
    params = {"clientOrderId": "a"}
    with pytest.raises(error):
        call(client.create_order(BTC, "limit", "buy", 0.1, 40_000, params))
    arrived = len(call(client.fetch_open_orders()))
    assert arrived == (1 if fault is Fault.TIMEOUT_AFTER else 0)
    call(client.create_order(BTC, "limit", "buy", 0.1, 40_000))


def test_a_fault_of_all_endpoints_lasts_until_cleared(client, engine):
    call(client.load_markets())
    engine.faults.inject(Fault.RATE_LIMIT)
    for request in (client.fetch_ticker, client.fetch_open_orders):
        with pytest.raises(ccxt.RateLimitExceeded):
            call(request(BTC))
    engine.faults.clear()
    assert call(client.fetch_open_orders(BTC)) == []


def test_latency_delays_requests(client, engine):
    call(client.load_markets())
    engine.faults.latency_s = 0.05
    started = time.monotonic()
    call(client.fetch_ticker(BTC))
    assert time.monotonic() - started >= 0.05
