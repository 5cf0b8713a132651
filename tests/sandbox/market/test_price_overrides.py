"""Price overrides: pinned, moved and released prices, and the candles and crosses that follow."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.sandbox.market.listings import UnknownSymbol
from backend.sandbox.market.market import Market
from backend.sandbox.market.quotes import TIME_FRAMES_MS
from tests.sandbox.conftest import Clock
from tests.sandbox.market.test_candles import aggregate

BTC = "BTC/USDT"
turns = st.lists(
    st.tuples(
        st.sampled_from(["pin", "move", "release"]),
        st.sampled_from(["BTC/USDT", "ETH/USDT", "ETH/BTC"]),
        st.sampled_from([Decimal("0.5"), Decimal("0.99"), Decimal("1.3")]),
        st.integers(0, 200_000),
    ),
    max_size=6,
)


def test_a_pin_holds_the_price_until_released(market, clock):
    market.pin(BTC, Decimal("50000"))
    assert market.price(BTC) == Decimal("50000.00")
    clock.now += 3600
    assert market.price(BTC) == Decimal("50000.00")
    market.release(BTC)
    assert market.price(BTC) == Decimal("50000.00")
    clock.now += 3600
    assert market.price(BTC) != Decimal("50000.00")


def test_after_a_move_the_path_goes_on_in_proportion(clock):
    market, natural = Market(clock=clock), Market(clock=clock)
    factor = Decimal("40000") / natural.price(BTC)
    market.move(BTC, Decimal("40000"))
    assert market.price(BTC) == Decimal("40000.00")
    clock.now += 600
    assert abs(market.price(BTC) - natural.price(BTC) * factor) < Decimal("0.05")


def test_a_move_ends_a_pin(market, clock):
    market.pin(BTC, Decimal("50000"))
    market.move(BTC, Decimal("60000"))
    clock.now += 60
    assert market.price(BTC) not in (Decimal("50000"), Decimal("60000"))


def test_releasing_what_is_not_pinned_changes_nothing(market, clock):
    clock.now += 1
    before = market.candles(BTC, "1m")
    market.release(BTC)
    assert market.candles(BTC, "1m") == before


def test_the_past_stays_as_it_was(market, clock):
    before = market.candles(BTC, "1m", limit=100)[:-1]
    market.move(BTC, Decimal("1000"))
    clock.now += 60
    assert market.candles(BTC, "1m", limit=101)[:-2] == before


def test_a_move_is_a_trade_at_once(market):
    market.move(BTC, Decimal("40000"))
    trade = market.trades(BTC, limit=1)[0]
    assert (trade.price, trade.time_ms) == (Decimal("40000.00"), market.now_ms())
    book = market.book(BTC)
    assert book.bids[0].price < trade.price < book.asks[0].price
    assert market.candles(BTC, "1d", limit=1)[0].low == Decimal("40000.00")
    assert market.ticker(BTC).low == Decimal("40000.00")


def test_two_moves_at_one_instant_both_show_in_the_candle(market):
    market.move(BTC, Decimal("1000"))
    market.move(BTC, Decimal("2000"))
    candle = market.candles(BTC, "1m", limit=1)[0]
    assert (candle.low, candle.close) == (Decimal("1000.00"), Decimal("2000.00"))


def test_a_cross_follows_a_price_override_of_a_leg(market):
    market.candles("ETH/BTC", "1m")
    before = market.price("ETH/BTC")
    market.move(BTC, market.price(BTC) / 2)
    assert abs(market.price("ETH/BTC") - 2 * before) <= Decimal("0.000003")
    assert market.candles("ETH/BTC", "1m")[-1].close == market.price("ETH/BTC")


@settings(max_examples=15, deadline=None)
@given(turns, st.sampled_from([("5m", "1m"), ("1h", "5m"), ("1d", "1h")]))
def test_candles_agree_with_each_other_after_overrides(steps, pair):
    clock = Clock()
    market = Market(seed=3, clock=clock, symbols=["BTC/USDT", "ETH/USDT", "ETH/BTC"])
    for what, symbol, factor, wait_ms in steps:
        override = getattr(market, what)
        override(symbol, *([] if what == "release" else [market.price(symbol) * factor]))
        clock.now += wait_ms / 1000
    long, short = pair
    count = TIME_FRAMES_MS[long] // TIME_FRAMES_MS[short]
    for symbol in market.listings:
        for candle in market.candles(symbol, long, limit=4):
            parts = market.candles(symbol, short, since_ms=candle.time_ms, limit=count)
            assert aggregate(parts) == candle[1:]
        assert market.candles(symbol, short)[-1].close == market.price(symbol)


def test_listeners_are_called_at_each_override_until_they_unsubscribe(market):
    heard: list[str] = []
    leave = market.subscribe(heard.append)
    market.pin(BTC, Decimal(1000))
    market.release(BTC)
    leave()
    market.move(BTC, Decimal(1000))
    assert heard == [BTC, BTC]


@pytest.mark.parametrize("symbol", ["BTC/USDT", "ETH/USDT", "ETH/BTC"])
def test_the_highest_price_that_may_be_asked_for_has_a_book(market, symbol):
    market.pin(symbol, Decimal(10**9))
    book = market.book(symbol, 1000)
    assert book.bids[0].price < 10**9 < book.asks[0].price
    assert book.asks == sorted(book.asks)
    assert len(book.asks) == 1000


def test_there_is_a_bid_even_at_the_lowest_price(market):
    market.pin(BTC, Decimal("0.000001"))
    ticker = market.ticker(BTC)
    assert (ticker.bid, market.price(BTC), ticker.ask) == (
        Decimal("0.01"),
        Decimal("0.02"),
        Decimal("0.03"),
    )


def test_the_price_of_an_unlisted_symbol_cannot_be_overridden(market):
    with pytest.raises(UnknownSymbol):
        market.pin("BTC/GBP", Decimal(1))
