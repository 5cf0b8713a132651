"""The matching engine: fills, fees, balances, edits and persistence."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from ccxt.base.errors import (
    AuthenticationError,
    DuplicateOrderId,
    InsufficientFunds,
    InvalidOrder,
    OrderImmediatelyFillable,
    OrderNotFound,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.sandbox import Market, MatchingEngine
from backend.sandbox.matching.orders import NewOrder, Order, Trigger
from tests.sandbox.conftest import Clock

BTC = "BTC/USDT"
KEY = "key"
FUNDS = {KEY: {"USDT": Decimal(100_000), "BTC": Decimal(2)}, "other": {"USDT": Decimal(50)}}


@pytest.fixture
def pinned(market) -> Market:
    market.pin(BTC, Decimal(50_000))
    return market


@pytest.fixture
def engine(pinned) -> MatchingEngine:
    return MatchingEngine(pinned, FUNDS)


def order(side="buy", amount="0.1", price=None, **more) -> NewOrder:
    limit = None if price is None else Decimal(price)
    return NewOrder(BTC, side, Decimal(amount), limit, **more)


def balances(engine: MatchingEngine) -> dict[str, tuple[Decimal, Decimal]]:
    return {
        asset: (balance.free, balance.locked)
        for asset, balance in engine.account(KEY).balances.items()
    }


def test_a_market_order_takes_the_book_and_pays_the_taker_fee(engine):
    bought = engine.create(KEY, order("buy", "0.1"))
    assert (bought.status, bought.cost, bought.fee) == (
        "closed",
        Decimal("5000.001"),
        Decimal("0.0001"),
    )
    assert bought.fills[0].liquidity == "taker"
    assert balances(engine) == {
        "USDT": (Decimal("94999.999"), 0),
        "BTC": (Decimal("2.0999"), 0),
    }
    sold = engine.create(KEY, order("sell", "0.1"))
    assert sold.fills[0].price == Decimal("49999.99")
    assert sold.fee == Decimal("4.999999")
    assert balances(engine)["USDT"][0] == Decimal("94999.999") + Decimal("4994.999001")


@pytest.mark.parametrize(
    ("side", "limit", "price"), [("buy", "51000", "50000.01"), ("sell", "49000", "49999.99")]
)
def test_a_marketable_limit_order_gets_the_better_price(engine, side, limit, price):
    taken = engine.create(KEY, order(side, "0.1", limit))
    assert (taken.status, taken.fills[0].price, taken.fills[0].liquidity) == (
        "closed",
        Decimal(price),
        "taker",
    )
    assert all(locked == 0 for _, locked in balances(engine).values())


@pytest.mark.parametrize(
    ("side", "limit", "past"), [("buy", "49000", "48000"), ("sell", "51000", "52000")]
)
def test_a_crossed_limit_order_fills_at_its_own_price(engine, pinned, clock, side, limit, past):
    resting = engine.create(KEY, order(side, "0.1", limit))
    assert resting.status == "open"
    clock.now += 600
    assert engine.order(KEY, resting.id).status == "open"
    pinned.move(BTC, Decimal(past))
    pinned.move(BTC, Decimal(50_000))
    assert resting.status == "closed"
    assert (resting.fills[0].price, resting.fills[0].liquidity) == (Decimal(limit), "maker")


def test_an_order_fills_when_the_path_crossed_it_though_nobody_looked(clock):
    market = Market(clock=clock)
    engine = MatchingEngine(market, FUNDS)
    limit = market.price(BTC) * Decimal("0.9995")
    resting = engine.create(KEY, order("buy", "0.1", limit.quantize(Decimal("0.01"))))
    started = market.now_ms()
    clock.now += 86_400
    filled = engine.order(KEY, resting.id)
    assert filled.status == "closed"
    crossed_ms = filled.fills[0].time_ms
    assert market.extremes(BTC, started + 1, crossed_ms)[0] > filled.request.price
    assert market.price(BTC, crossed_ms) <= filled.request.price


def test_an_order_holds_back_what_it_may_cost(engine):
    bid = engine.create(KEY, order("buy", "1", "40000"))
    ask = engine.create(KEY, order("sell", "1.5", "60000"))
    assert balances(engine) == {
        "USDT": (Decimal(60_000), Decimal(40_000)),
        "BTC": (Decimal("0.5"), Decimal("1.5")),
    }
    with pytest.raises(InsufficientFunds):
        engine.create(KEY, order("sell", "0.6", "60000"))
    engine.cancel(KEY, bid.id)
    assert engine.cancel_all(KEY, BTC) == [ask]
    assert balances(engine) == {"USDT": (Decimal(100_000), 0), "BTC": (Decimal(2), 0)}
    assert {bid.status, ask.status} == {"canceled"}


@pytest.mark.parametrize(
    ("side", "kind", "trigger", "past", "fill"),
    [
        ("sell", "stop_loss", 48_000, 47_000, "46999.99"),
        ("sell", "take_profit", 52_000, 53_000, "52999.99"),
        ("buy", "stop_loss", 52_000, 53_000, "53000.01"),
        ("buy", "take_profit", 48_000, 47_000, "47000.01"),
    ],
)
def test_a_triggered_market_order_takes_the_book_where_it_triggers(
    engine, pinned, side, kind, trigger, past, fill
):
    waiting = engine.create(KEY, order(side, "0.1", trigger=Trigger(kind, Decimal(trigger))))
    pinned.move(BTC, Decimal(2 * 50_000 - past))
    assert waiting.status == "open"
    pinned.move(BTC, Decimal(past))
    assert (waiting.status, waiting.fills[0].price) == ("closed", Decimal(fill))


def test_a_triggered_limit_order_waits_in_the_book(engine, pinned):
    stop = Trigger("stop_loss", Decimal(48_000))
    waiting = engine.create(KEY, order("sell", "0.1", "49000", trigger=stop))
    pinned.move(BTC, Decimal(47_000))
    assert (waiting.status, waiting.is_triggered) == ("open", True)
    pinned.move(BTC, Decimal(49_500))
    assert (waiting.status, waiting.fills[0].price) == ("closed", Decimal(49_000))


def test_a_triggered_buy_that_became_too_dear_is_rejected(engine, pinned):
    stop = Trigger("stop_loss", Decimal(51_000))
    waiting = engine.create(KEY, order("buy", "1.9", trigger=stop))
    pinned.move(BTC, Decimal(60_000))
    assert waiting.status == "rejected"
    assert balances(engine)["USDT"] == (Decimal(100_000), 0)


def test_an_edited_order_keeps_its_ids_and_locks_anew(engine):
    bid = engine.create(KEY, order("buy", "1", "40000", client_order_id="mine"))
    edited = engine.edit(KEY, bid.id, order("buy", "0.5", "30000"))
    assert (edited.id, edited.request.client_order_id) == (bid.id, "mine")
    assert balances(engine)["USDT"] == (Decimal(85_000), Decimal(15_000))
    with pytest.raises(InsufficientFunds):
        engine.edit(KEY, bid.id, order("buy", "3", "40000"))
    assert balances(engine)["USDT"] == (Decimal(85_000), Decimal(15_000))
    assert engine.edit(KEY, bid.id, order("buy", "0.5", "60000")).status == "closed"


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (order(amount="0.1", price="50000.001"), InvalidOrder),
        (order(amount="0.000001", price="50000"), InvalidOrder),
        (order(amount="0.00009", price="50000"), InvalidOrder),
        (order(amount="2001", price="50000"), InvalidOrder),
        (order(amount="0", price="50000"), InvalidOrder),
        (order(amount="0.1", price="-1"), InvalidOrder),
        (order(amount="10", price="50000"), InsufficientFunds),
        (order(trigger=Trigger("stop_loss", Decimal(50_000))), OrderImmediatelyFillable),
    ],
)
def test_orders_against_the_rules_are_refused_and_leave_no_trace(engine, request_, error):
    before = balances(engine)
    with pytest.raises(error):
        engine.create(KEY, request_)
    assert (balances(engine), engine.account(KEY).orders) == (before, {})


def test_a_client_order_id_is_taken_once(engine):
    first = engine.create(KEY, order("buy", "0.1", "40000", client_order_id="a"))
    engine.cancel(KEY, first.id)
    with pytest.raises(DuplicateOrderId):
        engine.create(KEY, order("buy", "0.1", "40000", client_order_id="a"))
    assert engine.order_by_client_id(KEY, "a") is first
    engine.create("other", order("buy", "0.001", "40000", client_order_id="a"))


def test_unknown_keys_and_orders_are_refused(engine):
    with pytest.raises(AuthenticationError):
        engine.account("nobody")
    for find in (engine.order, engine.order_by_client_id, engine.cancel):
        with pytest.raises(OrderNotFound):
            find(KEY, "77")
    filled = engine.create(KEY, order("buy", "0.1"))
    with pytest.raises(OrderNotFound):
        engine.cancel(KEY, filled.id)
    with pytest.raises(OrderNotFound):
        engine.edit(KEY, filled.id, order("buy", "0.2"))


def test_accounts_survive_a_kill_of_the_process(pinned, tmp_path):
    file = tmp_path / "sandbox.json"
    engine = MatchingEngine(pinned, FUNDS, file=file)
    stop = Trigger("stop_loss", Decimal(45_000))
    engine.create(KEY, order("buy", "0.1", client_order_id="a"))
    engine.create(KEY, order("sell", "0.3", "60000"))
    engine.create(KEY, order("sell", "0.2", "44000", trigger=stop))
    again = MatchingEngine(pinned, FUNDS, file=file)
    assert balances(again) == balances(engine)
    assert again.account(KEY).orders == engine.account(KEY).orders
    assert int(again.create(KEY, order("buy", "0.1")).id) > 3
    assert json.loads(file.read_text("utf-8"))["last_id"] > 3


def test_a_reopened_desk_catches_up_with_the_path(clock, tmp_path):
    market = Market(clock=clock)
    file = tmp_path / "sandbox.json"
    limit = (market.price(BTC) * Decimal("0.9995")).quantize(Decimal("0.01"))
    resting = MatchingEngine(market, FUNDS, file=file).create(KEY, order("buy", "0.1", limit))
    clock.now += 86_400
    assert (
        MatchingEngine(Market(clock=clock), FUNDS, file=file).order(KEY, resting.id).status
        == "closed"
    )


moves = st.lists(
    st.tuples(
        st.sampled_from(["buy", "sell"]),
        st.decimals("0.0001", "0.5", places=4),
        st.none() | st.decimals(49_000, 51_000, places=2),
        st.decimals(49_000, 51_000, places=2),
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(moves)
def test_no_money_appears_or_vanishes_but_for_fees(steps):
    market = Market(clock=Clock(), symbols=[BTC])
    market.pin(BTC, Decimal(50_000))
    engine = MatchingEngine(market, FUNDS)
    accepted: list[Order] = []
    for side, amount, limit, price in steps:
        try:
            accepted.append(engine.create(KEY, order(side, str(amount), limit)))
        except (InsufficientFunds, InvalidOrder):
            assert engine.account(KEY).open_orders is not None
        market.pin(BTC, price)
    account = engine.account(KEY)
    usdt, btc = Decimal(100_000), Decimal(2)
    for done in accepted:
        bought = done.request.side == "buy"
        usdt += -done.cost if bought else done.cost - done.fee
        btc += done.filled - done.fee if bought else -done.filled
    assert account.balance("USDT").free + account.balance("USDT").locked == usdt
    assert account.balance("BTC").free + account.balance("BTC").locked == btc
    locked = sum(entry.locked for entry in account.open_orders if entry.request.side == "buy")
    assert account.balance("USDT").locked == locked
    assert all(balance.free >= 0 for balance in account.balances.values())


def test_other_quotes_than_usdt_are_spent_and_received(clock):
    market = Market(clock=clock)
    market.pin("SOL/USDC", Decimal(150))
    market.pin("BTC/EUR", Decimal(50_000))
    engine = MatchingEngine(market, {KEY: {"USDC": Decimal(400), "BTC": Decimal(1)}})
    engine.create(KEY, NewOrder("SOL/USDC", "buy", Decimal(2), Decimal(151)))
    engine.create(KEY, NewOrder("BTC/EUR", "sell", Decimal("0.1")))
    free = {asset: balance.free for asset, balance in engine.account(KEY).balances.items()}
    assert free == {
        "SOL": Decimal("1.998"),
        "USDC": Decimal(400) - 2 * Decimal("150.01"),
        "BTC": Decimal("0.9"),
        "EUR": Decimal("4999.999") * Decimal("0.999"),
    }
    with pytest.raises(InsufficientFunds):
        engine.create(KEY, NewOrder("ETH/USDC", "buy", Decimal(1)))
