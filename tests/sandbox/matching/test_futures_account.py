"""Futures accounts of the sandbox: margin, reduce-only orders, funding, liquidation."""

from __future__ import annotations

from decimal import Decimal

import pytest
from ccxt.base.errors import BadRequest, InsufficientFunds, InvalidOrder

from backend.sandbox import MatchingEngine
from backend.sandbox.matching.orders import NewOrder

BTC = "BTC/USDT:USDT"
KEY = "key"
D = Decimal


@pytest.fixture
def file(tmp_path):
    return tmp_path / "sandbox.json"


@pytest.fixture
def engine(market, clock, file):
    market.pin(BTC, D(40000))
    clock.now += 1
    engine = MatchingEngine(market, {KEY: {"USDT": D(10000)}}, file=file)
    engine.configure(KEY, BTC, 10, None)
    return engine


def trade(engine, side, amount, **fields):
    return engine.create(KEY, NewOrder(BTC, side, D(amount), **fields))


def margin(engine):
    return engine.account(KEY).futures.margin


def move(market, clock, price):
    market.pin(BTC, D(price))
    clock.now += 1


def test_a_position_takes_margin_and_fee_and_pays_its_gain(engine, market, clock):
    entry = trade(engine, "sell", "0.5")
    price = entry.fills[0].price
    position = margin(engine).position(BTC)
    assert (position.quantity, position.cost, position.margin) == (D("-0.5"), price / 2, price / 20)
    assert margin(engine).wallet == 10000 - price / 2000

    move(market, clock, "39000")
    leave = trade(engine, "buy", "0.5", reduce_only=True)

    gain = (price - leave.fills[0].price) / 2 - (price + leave.fills[0].price) / 2000
    assert margin(engine).wallet == 10000 + gain
    assert margin(engine).position_margin == margin(engine).order_margin == 0


def test_an_order_holds_margin_and_gives_it_back(engine):
    order = trade(engine, "buy", "1", price=D(30000))
    assert margin(engine).order_margin == 3000 + 30
    engine.edit(KEY, order.id, NewOrder(BTC, "buy", D(2), D(30000)))
    assert margin(engine).order_margin == 6000 + 60
    with pytest.raises(InsufficientFunds):
        engine.edit(KEY, order.id, NewOrder(BTC, "buy", D(4), D(30000)))
    assert margin(engine).order_margin == 6000 + 60
    engine.cancel(KEY, order.id)
    assert margin(engine).order_margin == 0


def test_what_only_reduces_never_opens(engine, market, clock):
    with pytest.raises(InvalidOrder):
        trade(engine, "sell", "0.1", reduce_only=True)
    trade(engine, "buy", "0.5")
    with pytest.raises(InvalidOrder):
        trade(engine, "buy", "0.1", reduce_only=True)
    resting = trade(engine, "sell", "0.5", price=D(41000), reduce_only=True)
    other = trade(engine, "sell", "0.3", price=D(42000), reduce_only=True)

    move(market, clock, "42500")

    assert engine.order(KEY, resting.id).status == "closed"
    assert engine.order(KEY, other.id).status == "canceled"
    assert margin(engine).position(BTC).quantity == 0


def test_a_position_is_liquidated_when_the_path_comes_to_its_end(engine, market, clock):
    trade(engine, "buy", "0.5")
    wallet, held = margin(engine).wallet, margin(engine).position(BTC).margin
    end = margin(engine).liquidation_price(BTC, {})

    move(market, clock, end + 10)
    assert margin(engine).position(BTC).quantity == D("0.5")
    move(market, clock, end - 10)
    market.pin(BTC, D(40000))

    assert margin(engine).position(BTC).quantity == 0
    assert margin(engine).wallet == wallet - held
    order = list(engine.account(KEY).orders.values())[-1]
    assert (order.request.side, order.request.reduce_only, order.status) == ("sell", True, "closed")


@pytest.mark.parametrize(("side", "sign"), [("buy", -1), ("sell", 1)])
def test_funding_is_paid_every_eight_hours(engine, clock, side, sign):
    trade(engine, side, "0.5")
    wallet = margin(engine).wallet
    clock.now += 24 * 3600
    assert margin(engine).wallet == wallet + sign * 3 * D("0.5") * 40000 * D("0.0001")


def test_settings_that_cannot_be_are_refused(engine):
    with pytest.raises(BadRequest):
        engine.configure(KEY, BTC, 51, None)
    trade(engine, "buy", "2")
    with pytest.raises(InsufficientFunds):
        engine.configure(KEY, BTC, 5, None)
    with pytest.raises(BadRequest):
        engine.configure(KEY, BTC, None, "cross")
    assert margin(engine).position(BTC).leverage == 10


def test_an_account_is_the_same_after_a_restart(engine, market, file):
    trade(engine, "buy", "0.5")
    trade(engine, "buy", "0.1", price=D(30000))
    before = margin(engine)

    again = margin(MatchingEngine(market, {KEY: {"USDT": D(1)}}, file=file))

    assert (again.wallet, again.order_exposures) == (before.wallet, before.order_exposures)
    assert again.position(BTC) == before.position(BTC)


def test_the_spot_side_of_an_account_is_another_wallet(engine):
    trade(engine, "buy", "0.5")
    assert engine.account(KEY).balance("USDT").free == 10000
