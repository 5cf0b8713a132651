"""Candles, trades and tickers of the sandbox agree with one price path."""

from __future__ import annotations

import gc
import tracemalloc
from datetime import datetime, time, timezone
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from backend.sandbox.market.listings import LISTINGS, UnknownSymbol
from backend.sandbox.market.market import Market
from backend.sandbox.market.quotes import TIME_FRAMES_MS, Candle
from tests.sandbox.conftest import START, Clock

PAIRS = [
    (long, short)
    for long in TIME_FRAMES_MS
    for short in TIME_FRAMES_MS
    if TIME_FRAMES_MS[long] > TIME_FRAMES_MS[short]
    and TIME_FRAMES_MS[long] % TIME_FRAMES_MS[short] == 0
    and TIME_FRAMES_MS[long] <= 300 * TIME_FRAMES_MS[short]
]
symbols = st.sampled_from(list(LISTINGS))
seeds = st.integers(0, 2**32)
times = st.floats(1.5e9, 2e9)


def aggregate(candles: list[Candle]) -> tuple[Decimal, ...]:
    return (
        candles[0].open,
        max(candle.high for candle in candles),
        min(candle.low for candle in candles),
        candles[-1].close,
        sum((candle.volume for candle in candles), Decimal(0)),
    )


@settings(max_examples=60, deadline=None)
@given(symbols, st.sampled_from(PAIRS), seeds, times, st.sampled_from([0.5, 1, 60]))
def test_candles_are_the_aggregates_of_shorter_ones(symbol, pair, seed, now, speed):
    long, short = pair
    market = Market(seed=seed, speed=speed, symbols=[symbol], clock=lambda: now)
    count = TIME_FRAMES_MS[long] // TIME_FRAMES_MS[short]
    for candle in market.candles(symbol, long, limit=3):
        parts = market.candles(symbol, short, since_ms=candle.time_ms, limit=count)
        assert aggregate(parts) == candle[1:]


@settings(max_examples=30, deadline=None)
@given(symbols, seeds, times)
def test_a_candle_holds_exactly_its_trades(symbol, seed, now):
    market = Market(seed=seed, symbols=[symbol], clock=lambda: now)
    candle = market.candles(symbol, "1m", limit=2)[0]
    trades = market.trades(symbol, since_ms=candle.time_ms, limit=240)
    prices = [trade.price for trade in trades]
    amounts = sum(trade.amount for trade in trades)
    assert (prices[0], max(prices), min(prices), prices[-1], amounts) == candle[1:]


@settings(max_examples=30, deadline=None)
@given(
    symbols, st.sampled_from(list(TIME_FRAMES_MS)), seeds, st.integers(1, 80), st.integers(0, 80)
)
def test_history_is_the_same_whatever_was_asked_before(symbol, time_frame, seed, limit, skipped):
    clock = Clock()
    asked, fresh = (Market(seed=seed, symbols=[symbol], clock=clock) for _ in range(2))
    asked.candles(symbol, time_frame, limit=skipped + 1)
    clock.now += 3 * TIME_FRAMES_MS[time_frame] / 1000
    asked.price(symbol)
    expected = fresh.candles(symbol, time_frame, limit=limit)
    assert asked.candles(symbol, time_frame, limit=limit) == expected
    assert asked.candles(symbol, time_frame, limit=limit) == expected


@settings(max_examples=50, deadline=None)
@given(seeds, times, st.sampled_from([1, 60, 1000]))
def test_a_cross_has_the_ratio_of_its_legs_to_within_their_ticks(seed, now, speed):
    market = Market(seed=seed, speed=speed, clock=lambda: now)
    for symbol in ("ETH/BTC", "BTC/USDC", "ETH/USDC", "SOL/USDC", "BTC/EUR"):
        base, quote = (f"{asset}/USDT" for asset in symbol.split("/"))
        ratio = market.price(base) / market.price(quote)
        rounding = ratio * market.listing(quote).price_tick / market.price(quote)
        tick = market.listing(symbol).price_tick
        assert abs(market.price(symbol) - ratio) <= tick + rounding


@settings(max_examples=50, deadline=None)
@given(seeds, times, st.sampled_from([1, 60, 1000]))
def test_a_dollar_coin_stays_near_a_dollar(seed, now, speed):
    market = Market(seed=seed, speed=speed, clock=lambda: now)
    assert abs(market.price("USDC/USDT") - 1) < Decimal("0.02")


@pytest.mark.parametrize("symbol", LISTINGS)
def test_history_ends_in_the_running_candle(market, symbol):
    for time_frame, frame_ms in TIME_FRAMES_MS.items():
        candles = market.candles(symbol, time_frame, limit=5)
        now_ms = market.now_ms()
        times = [candle.time_ms for candle in candles]
        assert [late - early for early, late in pairwise(times)] == [frame_ms] * 4
        assert times[-1] <= now_ms < times[-1] + frame_ms
        assert candles[-1].close == market.price(symbol)


def test_weeks_begin_on_monday_and_all_else_where_its_day_does(market):
    for time_frame, frame_ms in TIME_FRAMES_MS.items():
        (candle,) = market.candles("BTC/USDT", time_frame, limit=1)
        begin = datetime.fromtimestamp(candle.time_ms / 1000, timezone.utc)
        assert begin.weekday() == 0 if time_frame == "1w" else candle.time_ms % frame_ms == 0
        assert time_frame not in ("1d", "1w") or begin.time() == time()


@pytest.mark.parametrize("symbol", ["BTC/USDT", "ETH/BTC"])
def test_a_ticker_sums_up_a_day_of_minutes(market, symbol):
    ticker = market.ticker(symbol)
    assert ticker[3:] == aggregate(market.candles(symbol, "1m", limit=1440))
    assert ticker.bid < ticker.close < ticker.ask


def test_prices_move_as_much_as_their_listing_says(market):
    candles = market.candles("BTC/USDT", "1d", limit=1000)
    changes = [float((candle.close / candle.open).ln()) for candle in candles[:-1]]
    deviation = (sum(change**2 for change in changes) / len(changes)) ** 0.5
    assert 0.8 < deviation / LISTINGS["BTC/USDT"].daily_volatility < 1.2


def test_a_faster_market_moves_more_in_the_same_candles():
    ranges = []
    for speed in (1, 100):
        market = Market(speed=speed, clock=lambda: START)
        candles = market.candles("BTC/USDT", "1m", limit=1000)
        ranges.append(sum(candle.high / candle.low - 1 for candle in candles))
    assert 5 < ranges[1] / ranges[0] < 20


def test_seeds_and_symbols_have_paths_of_their_own(clock):
    first, second = Market(seed=1, clock=clock), Market(seed=2, clock=clock)
    assert first.price("BTC/USDT") != second.price("BTC/USDT")
    pairs = [symbol for symbol in LISTINGS if not LISTINGS[symbol].is_contract]
    shares = {first.price(symbol) / Decimal(LISTINGS[symbol].reference_price) for symbol in pairs}
    assert len(shares) == len(pairs)


def test_a_perpetual_follows_its_pair_and_is_steered_by_itself(clock):
    market = Market(clock=clock)
    assert market.price("BTC/USDT:USDT") == market.price("BTC/USDT")
    before = market.price("BTC/USDT")
    market.pin("BTC/USDT:USDT", Decimal(40_000))
    clock.now += 0.002
    assert market.price("BTC/USDT:USDT") == Decimal(40_000)
    assert abs(market.price("BTC/USDT") / before - 1) < Decimal("0.01")


def test_candles_since_a_time_go_forward_from_there(market):
    since_ms = market.now_ms() - 10 * 60_000
    candles = market.candles("BTC/USDT", "1m", since_ms=since_ms, limit=4)
    assert [candle.time_ms // 60_000 for candle in candles] == [
        since_ms // 60_000 + n for n in range(1, 5)
    ]
    assert market.candles("BTC/USDT", "1m", since_ms=market.now_ms() + 60_000) == []


def test_an_unlisted_symbol_is_refused():
    with pytest.raises(UnknownSymbol):
        Market(symbols=["BTC/GBP"])
    with pytest.raises(UnknownSymbol):
        Market(symbols=["BTC/USDT"]).candles("ETH/USDT", "1m")


@given(symbols, st.floats(1e-5, 1e6))
def test_prices_and_amounts_lie_on_their_grid(symbol, raw):
    listing = LISTINGS[symbol]
    assume(raw > listing.price_tick)
    assert listing.price(raw) % listing.price_tick == 0
    assert abs(listing.price(raw) - Decimal(raw)) <= listing.price_tick


def test_numbered_markets_have_prices_of_their_own():
    market = Market(symbols=["M000/USDT", "M199/USDT"])
    low, high = (market.price(symbol) for symbol in ("M000/USDT", "M199/USDT"))
    assert 0 < low < high
    with pytest.raises(UnknownSymbol):
        Market(symbols=["M1000/USDT"])


def test_what_has_long_passed_takes_no_memory(clock):
    market = Market(seed=7, symbols=["BTC/USDT"], clock=clock)

    def watch():
        for _ in range(100):
            clock.now += 60
            market.trades("BTC/USDT", limit=1)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        assert watch() * 1.2 > watch()
    finally:
        tracemalloc.stop()
