"""The value of an account that holds assets without a followed market, or without a price."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.bridge.live_bridge import BTC, LiveBridge, content, make_settings
from tests.bridge.odd_exchange import NAME, World, install
from tests.waiting import shutting_down, wait_until

JUNK = "JUNK/USDT"
HELD = {"USDT": 1000, "BTC": 1, "ADA": 200, "EUR": 50, "JUNK": 7}


@pytest.fixture
def world() -> World:
    prices = {BTC: "40000", "ADA/BTC": "0.00001", "USDT/EUR": "0.8", JUNK: "3"}
    return install(World(prices, {("fetch_tickers", None): None}))


@pytest.fixture
def live(tmp_path_factory: pytest.TempPathFactory, world: World) -> Iterator[LiveBridge]:
    def without_junk() -> Any:
        return {
            symbol: {"symbol": symbol, "last": None if symbol == JUNK else price}
            for symbol, price in world.prices.items()
        }

    world.answers["fetch_tickers", None] = without_junk
    settings = make_settings(
        tmp_path_factory.mktemp("home"),
        exchange=(NAME,),
        symbols=(BTC,),
        paper_balance=HELD,
        risk_max_daily_loss=Decimal(10_000),
        snapshot_interval=0.05,
    )
    with shutting_down(LiveBridge(settings)) as live:
        yield live.boot()


def summary(live: LiveBridge) -> dict[str, Any]:
    found: dict[str, Any] = content(live.bridge.portfolio.summary())
    return found


def holding(live: LiveBridge, asset: str) -> dict[str, Any]:
    rows = summary(live)["exchanges"][0]["balances"]
    return next(row for row in rows if row["asset"] == asset)


def test_an_asset_without_a_price_leaves_the_total_unknown_and_is_named(
    live: LiveBridge, world: World
) -> None:
    assert wait_until(lambda: summary(live)["unpriced"] == ["JUNK"])
    portfolio = summary(live)
    assert portfolio["total_value"] is None
    assert portfolio["profitability"] is None
    assert holding(live, "JUNK")["value"] is None
    assert holding(live, "JUNK")["share"] is None
    # two steps over a market that is not followed, and one that is quoted the other way round
    assert holding(live, "ADA")["value"] == "80"
    assert holding(live, "EUR")["price"] == "1.25"
    assert holding(live, "BTC")["value"] == "40000"
    assert any("JUNK" in text for text in live.bridge.bot.status().warnings)
    # the loss of the day counts what has a price, and says what it leaves out
    day = live.bridge.risk.day
    assert day is not None
    assert (day.opening_value, day.left_out) == (Decimal("41142.5"), frozenset({"JUNK"}))
    assert live.bridge.risk.unpriced == frozenset()
    mark = live.mark()
    assert live.place().status == "filled"
    assert live.sink.await_name(mark, "portfolio_updated")["portfolio"]["total_value"] is None
    assert sum(name == "fetch_tickers" for name, _ in world.asked) <= 2

    del world.answers["fetch_tickers", None]
    live.bridge.bot.restart()
    live.ready()
    assert wait_until(lambda: summary(live)["unpriced"] == [])
    portfolio = summary(live)
    values = [Decimal(row["value"]) for row in portfolio["exchanges"][0]["balances"]]
    assert Decimal(portfolio["total_value"]) == sum(values)
    assert holding(live, "JUNK")["value"] == "21"
    assert portfolio["profitability"] == {"value": "0", "percent": "0"}
    assert live.bridge.bot.status().warnings == []
    # what was left out of the day stays out of it: its price is no gain that hides a loss
    day = live.bridge.risk.day
    assert day is not None
    assert day.value < day.opening_value
    assert day.left_out == frozenset({"JUNK"})
