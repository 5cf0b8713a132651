"""Market data of an exchange whose rows are incomplete, doubled, unsorted, or missing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import ccxt
import pytest

from backend.errors import (
    BridgeError,
    ExchangeAnswerUnreadable,
    ExchangeAuthenticationFailed,
    ExchangeMaintenance,
    ExchangeRateLimited,
    ExchangeRefused,
    ExchangeUnreachable,
    SymbolNotTraded,
)
from backend.schemas.markets import BookQuery, CandleQuery, TickerQuery
from tests.bridge.live_bridge import LiveBridge, content, make_settings
from tests.bridge.odd_exchange import NAME, World, install, now_ms
from tests.waiting import shutting_down

BTC, ETH, OLD = "BTC/USDT", "ETH/USDT", "OLD/USDT"
MANY = (BTC, ETH, OLD, "M1/USDT", "M2/USDT", "M3/USDT")
MINUTE = 60_000
ERRORS = [
    (ccxt.BadSymbol("gone"), SymbolNotTraded, 404),
    (ccxt.AuthenticationError("key"), ExchangeAuthenticationFailed, 502),
    (ccxt.PermissionDenied("key"), ExchangeAuthenticationFailed, 502),
    (ccxt.RateLimitExceeded("slow"), ExchangeRateLimited, 503),
    (ccxt.DDoSProtection("slow"), ExchangeRateLimited, 503),
    (ccxt.OnMaintenance("wait"), ExchangeMaintenance, 503),
    (ccxt.ExchangeNotAvailable("down"), ExchangeUnreachable, 502),
    (ccxt.RequestTimeout("late"), ExchangeUnreachable, 502),
    (ccxt.BadResponse("?"), ExchangeAnswerUnreadable, 502),
    (KeyError("price"), ExchangeAnswerUnreadable, 502),
    (TypeError("None"), ExchangeAnswerUnreadable, 502),
    (ccxt.ExchangeError("no"), ExchangeRefused, 502),
]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LiveBridge, World]]:
    world = install(World(dict.fromkeys(MANY, "100")))
    settings = make_settings(
        tmp_path_factory.mktemp("home"),
        exchange=(NAME,),
        symbols=MANY,
        paper_balance={"USDT": 1000},
    )
    with shutting_down(LiveBridge(settings)) as live:
        yield live.boot(), world


@pytest.fixture
def odd(shared: tuple[LiveBridge, World]) -> Iterator[tuple[LiveBridge, World]]:
    yield shared
    shared[1].answers.clear()


@pytest.fixture
def uncached() -> None:
    """Let pass the half second for which answers are kept."""
    time.sleep(0.55)


LIMITS = iter(range(30, 90))
"""A depth of their own for each question, so that no answer is an earlier one's."""


def candles(live: LiveBridge) -> list[dict[str, Any]]:
    query = CandleQuery(limit=next(LIMITS))
    found: list[dict[str, Any]] = content(live.bridge.markets.candles(BTC, query))
    return found


def test_candles_are_sorted_and_unique_and_say_what_is_unknown(
    odd: tuple[LiveBridge, World],
) -> None:
    live, world = odd
    start = now_ms() // MINUTE * MINUTE - 10 * MINUTE
    world.answers["fetch_ohlcv", BTC] = [
        [start + 2 * MINUTE, 3, 3, 3, 3, 1],
        [start, 1, 2, 0.5, 1.5, None],
        [start + MINUTE, 2, 2, None, 2, 1],
        [start + 2 * MINUTE, 3, 4, 3, 4, 2],
        [None, 2, 2, 2, 2, 1],
        [start + 3 * MINUTE, "5", "6", "4", "5.5", "0.25", "a seventh column"],
        [start + 4 * MINUTE, 5, 5, 5],
        None,
    ]
    rows = [tuple(row[key] for key in ("open", "close", "volume")) for row in candles(live)]
    assert rows == [("1", "1.5", None), ("3", "4", "2"), ("5", "5.5", "0.25")]
    times = [row["time"] for row in candles(live)]
    assert times == sorted(times)


def test_an_order_book_has_its_best_levels_first_and_only_levels(
    odd: tuple[LiveBridge, World],
) -> None:
    live, world = odd
    world.answers["fetch_order_book", BTC] = {
        "bids": [[98, 1], [99, 2, 1700000000], [97, 0], [None, 1], [96, None], [99.5, "0.5"]],
        "asks": [[102, 1], [101, 3], [103, -1], ["x", 1], None, [100.5, 4]],
        "timestamp": None,
    }
    book = content(live.bridge.markets.order_book(BTC, BookQuery(limit=next(LIMITS))))
    assert [(row["price"], row["quantity"]) for row in book["bids"]] == [
        ("99.5", "0.5"),
        ("99", "2"),
        ("98", "1"),
    ]
    assert [row["price"] for row in book["asks"]] == ["100.5", "101", "102"]
    assert book["timestamp"] is None
    assert book["received_at"] is not None


def test_a_crossed_order_book_is_refused(odd: tuple[LiveBridge, World]) -> None:
    live, world = odd
    world.answers["fetch_order_book", BTC] = {"bids": [[101, 1]], "asks": [[100, 1]]}
    with pytest.raises(ExchangeAnswerUnreadable):
        live.bridge.markets.order_book(BTC, BookQuery(limit=next(LIMITS)))


@pytest.mark.usefixtures("uncached")
def test_a_ticker_of_texts_and_nulls_is_read(odd: tuple[LiveBridge, World]) -> None:
    live, world = odd
    world.answers["fetch_ticker", BTC] = {
        "symbol": BTC,
        "last": "101.5",
        "bid": None,
        "ask": "n/a",
        "high": float("nan"),
        "low": 0,
        "baseVolume": "12",
        "percentage": None,
        "timestamp": "soon",
    }
    ticker = content(live.bridge.markets.ticker(BTC, None))
    assert {key: ticker[key] for key in ("price", "bid", "ask", "high", "low", "volume")} == {
        "price": "101.5",
        "bid": None,
        "ask": None,
        "high": None,
        "low": None,
        "volume": "12",
    }
    assert ticker["timestamp"] is None


@pytest.mark.usefixtures("uncached")
def test_one_delisted_symbol_leaves_the_other_tickers(odd: tuple[LiveBridge, World]) -> None:
    live, world = odd
    world.answers["fetch_tickers", None] = ccxt.BadSymbol("OLD/USDT is gone")
    world.answers["fetch_ticker", OLD] = ccxt.BadSymbol("OLD/USDT is gone")
    tickers = {row["symbol"]: row for row in content(live.bridge.markets.tickers(TickerQuery()))}
    assert sorted(tickers) == sorted(MANY)
    problem = tickers[OLD].pop("problem")
    assert (problem["code"], problem["type"]) == (404, "symbol_not_traded")
    assert tickers[OLD]["price"] is None
    assert {row["price"] for symbol, row in tickers.items() if symbol != OLD} == {"100"}


@pytest.mark.usefixtures("uncached")
def test_a_symbol_that_the_exchange_leaves_out_has_no_old_ticker(
    odd: tuple[LiveBridge, World],
) -> None:
    live, world = odd
    before = content(live.bridge.markets.tickers(TickerQuery()))
    assert {row["price"] for row in before} == {"100"}
    world.answers["fetch_tickers", None] = {
        symbol: {"symbol": symbol, "last": 7} for symbol in MANY if symbol != OLD
    }
    time.sleep(0.55)
    tickers = {row["symbol"]: row for row in content(live.bridge.markets.tickers(TickerQuery()))}
    assert (tickers[OLD]["price"], tickers[BTC]["price"]) == (None, "7")
    assert tickers[OLD]["problem"]["type"] == "symbol_not_traded"


@pytest.mark.parametrize(("raised", "expected", "status"), ERRORS)
def test_each_error_is_told_by_its_name(
    odd: tuple[LiveBridge, World],
    raised: Exception,
    expected: type[BridgeError],
    status: int,
) -> None:
    live, world = odd
    for endpoint in ("fetch_ohlcv", "fetch_order_book"):
        world.answers[endpoint, BTC] = raised
    markets = live.bridge.markets
    for read in (
        lambda: candles(live),
        lambda: markets.order_book(BTC, BookQuery(limit=next(LIMITS))),
    ):
        with pytest.raises(expected) as caught:
            read()
        assert caught.value.status == status
        assert (caught.value.retry_after_s is not None) == (status == 503)


@pytest.mark.usefixtures("uncached")
def test_all_tickers_of_an_exchange_under_maintenance_are_one_error(
    odd: tuple[LiveBridge, World],
) -> None:
    live, world = odd
    world.answers["fetch_tickers", None] = ccxt.OnMaintenance("back soon")
    with pytest.raises(ExchangeMaintenance):
        live.bridge.markets.tickers(TickerQuery())
