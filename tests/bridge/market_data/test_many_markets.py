"""A bot with many markets."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from decimal import Decimal

import pytest

from backend.bridge.octobot.patches.order_loggers import release_order_loggers
from backend.schemas.markets import TickerQuery
from tests.bridge.live_bridge import LiveBridge, content, make_settings
from tests.waiting import shutting_down

SYMBOLS = ("BTC/USDT", *(f"M{number:03}/USDT" for number in range(12)))


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveBridge]:
    settings = make_settings(tmp_path_factory.mktemp("home"), symbols=SYMBOLS)
    with shutting_down(LiveBridge(settings)) as live:
        yield live.boot()


def test_all_tickers_come_in_one_answer(live: LiveBridge) -> None:
    live.bridge.sandbox.pin("M007/USDT", Decimal("6.5"))
    tickers = {row["symbol"]: row for row in content(live.bridge.markets.tickers(TickerQuery()))}
    assert sorted(tickers) == sorted(SYMBOLS)
    assert tickers["M007/USDT"]["price"] == "6.5"
    assert Decimal(tickers["BTC/USDT"]["low"]) <= Decimal(tickers["BTC/USDT"]["price"])


def test_one_of_many_tickers_is_the_same(live: LiveBridge) -> None:
    live.bridge.sandbox.pin("M003/USDT", Decimal("7.25"))
    one = content(live.bridge.markets.ticker("M003/USDT", None))
    assert (one["symbol"], one["price"]) == ("M003/USDT", "7.25")


def test_no_logger_outlives_its_order(live: LiveBridge) -> None:
    logging.getLogger(__name__)
    live.bridge.sandbox.pin("BTC/USDT", Decimal(40000))
    order = live.place(type="limit", price="30000")
    live.bridge.orders.cancel(order.id)
    assert loggers_of(order.id)
    release_order_loggers()
    assert loggers_of(order.id) == []
    assert __name__ in logging.getLogger().manager.loggerDict


def loggers_of(order_id: str) -> list[str]:
    return [name for name in logging.getLogger().manager.loggerDict if order_id in name]
