"""A bot with many markets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from backend.schemas.markets import TickerQuery
from tests.bridge.live import Live, content, make_settings

SYMBOLS = ("BTC/USDT", *(f"M{number:03}/USDT" for number in range(12)))


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    left = Path.cwd()
    live = Live(make_settings(tmp_path_factory.mktemp("home"), symbols=SYMBOLS))
    try:
        yield live.boot()
    finally:
        live.bridge.close()
        os.chdir(left)


def test_all_tickers_come_in_one_answer(live: Live) -> None:
    live.bridge.sandbox.pin("M007/USDT", Decimal("6.5"))
    tickers = {row["symbol"]: row for row in content(live.bridge.markets.tickers(TickerQuery()))}
    assert sorted(tickers) == sorted(SYMBOLS)
    assert tickers["M007/USDT"]["price"] == "6.5"
    assert Decimal(tickers["BTC/USDT"]["low"]) <= Decimal(tickers["BTC/USDT"]["price"])


def test_one_of_many_tickers_is_the_same(live: Live) -> None:
    live.bridge.sandbox.pin("M003/USDT", Decimal("7.25"))
    one = content(live.bridge.markets.ticker("M003/USDT", None))
    assert (one["symbol"], one["price"]) == ("M003/USDT", "7.25")
