"""Cleaning of rows that exchanges send."""

from __future__ import annotations

import math
from typing import Any

import ccxt
import pytest

from backend.bridge.octobot.market_rows import (
    clean_book,
    clean_candles,
    clean_levels,
    clean_ticker,
    clean_trades,
)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ([1000, 1, 2, 1, 2, 5], [1000, 1.0, 2.0, 1.0, 2.0, 5.0]),
        ([1000.0, "1", "2", "1", "2", "5", 9, 9], [1000, 1.0, 2.0, 1.0, 2.0, 5.0]),
        ([1000, None, 2, 1, 2, 5], None),
        ([1000, 1, 0, 1, 2, 5], None),
        ([1000, 1, -2, 1, 2, 5], None),
        ([1000, 1, math.inf, 1, 2, 5], None),
        ([1000, 1, "?", 1, 2, 5], None),
        ([0, 1, 2, 1, 2, 5], None),
        (["soon", 1, 2, 1, 2, 5], None),
        ([1000, True, 2, 1, 2, 5], None),
        ([1000, 1, 2], None),
        ("1000,1,2,1,2,5", None),
        ({}, None),
        (None, None),
    ],
)
def test_a_candle_is_whole_or_left_out(row: Any, expected: Any) -> None:
    assert clean_candles([row]) == ([] if expected is None else [expected])


@pytest.mark.parametrize("volume", [[], [None], [-1], [math.nan], ["much"]])
def test_an_unknown_volume_is_not_zero(volume: list[Any]) -> None:
    ((*_, cleaned),) = clean_candles([[1000, 1, 2, 1, 2, *volume]])
    assert math.isnan(cleaned)


@pytest.mark.parametrize("rows", [None, [], [[None, None]], ["ab"], [[1]], [[0, 1]], [[1, 0]]])
def test_a_side_without_levels_is_empty(rows: Any) -> None:
    assert clean_levels(rows, descending=True) == []
    assert clean_book({"bids": rows, "asks": [[2, 1]]})["bids"] == []


@pytest.mark.parametrize("ask", [100, 99.5])
def test_a_bid_is_below_the_asks(ask: float) -> None:
    with pytest.raises(ccxt.BadResponse):
        clean_book({"bids": [[100, 1]], "asks": [[ask, 1]]})


def test_trades_are_by_time_and_have_a_price() -> None:
    def trade(number: int, price: Any, time: Any) -> dict[str, Any]:
        return {"id": str(number), "price": price, "timestamp": time}

    rows = [trade(3, 5, 3000), trade(1, "4.5", 1000), trade(3, 5, 3000)]
    broken = [trade(4, None, 1), trade(5, 0, 1), trade(6, 5, None), trade(7, "x", 1), None]
    assert [row["id"] for row in clean_trades([*rows, *broken])] == ["1", "3"]


def test_a_ticker_keeps_what_is_a_number() -> None:
    raw = {
        "last": "7",
        "bid": -1,
        "ask": 0,
        "percentage": -3.5,
        "baseVolume": "lots",
        "symbol": "X",
    }
    expected = {"last": "7", "bid": None, "ask": None, "percentage": -3.5, "baseVolume": None}
    assert clean_ticker(raw) == {**expected, "symbol": "X"}
