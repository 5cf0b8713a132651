"""The limit of the daily loss: it pauses the bot until it is resumed, or midnight UTC."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from backend.errors import OrderRefused
from backend.schemas.common import utc_now
from tests.app_with_bot import AppWithBot
from tests.bridge.live_bridge import BTC, ETH, PRICES, LiveBridge, wait_until

pytestmark = pytest.mark.long

D = Decimal
Start = Callable[..., AppWithBot]


def limit(app_with_bot: AppWithBot, **values: Any) -> None:
    app_with_bot.admin.patch("/risk", values)


def refused(live: LiveBridge) -> OrderRefused:
    with pytest.raises(OrderRefused) as caught:
        live.place()
    assert live.orders() == []
    return caught.value


def lose_value(live: LiveBridge) -> None:
    """Lower the price so that the account, with 100 BTC, loses 200,000 USDT."""
    live.pin(BTC, PRICES[BTC] - 2000)


@pytest.fixture
def limited_app(fresh: Start) -> AppWithBot:
    """A bot that may lose 150,000 USDT a day."""
    app_with_bot = fresh()
    risk = app_with_bot.live.bridge.risk
    value = D(1_000_000) + 100 * PRICES[BTC] + 100 * PRICES[ETH]
    assert wait_until(lambda: risk.day is not None and risk.day.value == value)
    risk.resume(utc_now())  # counts from the pinned prices on
    limit(app_with_bot, max_daily_loss="150000")
    return app_with_bot


def test_a_days_loss_pauses_the_bot_and_refuses_orders(limited_app: AppWithBot) -> None:
    lose_value(limited_app.live)
    assert wait_until(lambda: limited_app.live.state == "paused")
    assert limited_app.viewer.get("/bot")["reason"] == "the day's loss has reached the risk limit"
    error = refused(limited_app.live)
    assert (error.status, error.type) == (422, "risk_max_daily_loss")
    assert error.details == "max_daily_loss is 150000, the loss of this day is 200000"
    day = limited_app.viewer.get("/risk")["day"]
    assert (day["loss"], day["limit_reached"]) == ("200000", True)


def test_what_an_order_lost_counts_for_the_next_one(limited_app: AppWithBot) -> None:
    limit(limited_app, max_daily_loss="30")
    assert limited_app.live.place(quantity="1").status == "filled"  # for a fee of 40
    assert refused(limited_app.live).type == "risk_max_daily_loss"


def test_it_stays_paused_when_the_value_recovers(limited_app: AppWithBot) -> None:
    lose_value(limited_app.live)
    assert wait_until(lambda: limited_app.live.state == "paused")
    limited_app.live.pin(BTC, PRICES[BTC])
    limited_app.live.settle()
    assert limited_app.live.state == "paused"
    assert refused(limited_app.live).type == "risk_max_daily_loss"


def test_open_orders_may_still_be_canceled(limited_app: AppWithBot) -> None:
    order = limited_app.live.place(type="limit", price="20000")
    lose_value(limited_app.live)
    assert wait_until(lambda: limited_app.live.state == "paused")
    assert limited_app.live.bridge.orders.cancel(order.id).status == "canceled"


def test_resuming_lets_trading_go_on_until_the_next_loss(limited_app: AppWithBot) -> None:
    lose_value(limited_app.live)
    assert wait_until(lambda: limited_app.live.state == "paused")
    limited_app.admin.post("/bot/resume")
    assert limited_app.live.place(quantity="0.001").status == "filled"
    assert limited_app.viewer.get("/risk")["day"]["limit_reached"] is False
    limited_app.live.pin(BTC, PRICES[BTC] - 4000)
    assert wait_until(lambda: limited_app.live.state == "paused")
    assert refused(limited_app.live).type == "risk_max_daily_loss"


def test_a_higher_limit_lets_trading_go_on(limited_app: AppWithBot) -> None:
    lose_value(limited_app.live)
    assert wait_until(lambda: limited_app.live.state == "paused")
    limit(limited_app, max_daily_loss="300000")
    assert wait_until(lambda: limited_app.live.state == "running")
    assert limited_app.live.place(quantity="0.001").status == "filled"


def test_a_restart_of_the_bot_ends_no_pause(limited_app: AppWithBot) -> None:
    lose_value(limited_app.live)
    assert wait_until(lambda: limited_app.live.state == "paused")
    limited_app.admin.post("/bot/restart", expect=202)
    assert wait_until(lambda: limited_app.live.state in ("running", "paused"))
    with pytest.raises(OrderRefused, match="max_daily_loss"):
        limited_app.live.place()
    assert wait_until(lambda: limited_app.live.state == "paused")


def test_a_restart_of_the_process_ends_no_pause_though_the_value_recovers(
    limited_app: AppWithBot, fresh: Start
) -> None:
    lose_value(limited_app.live)
    assert wait_until(lambda: limited_app.live.state == "paused")
    again = fresh()
    assert again.live.settle().state == "paused"
    assert again.viewer.get("/bot")["reason"] == "the day's loss has reached the risk limit"
    assert refused(again.live).type == "risk_max_daily_loss"
    again.admin.post("/bot/resume")
    assert again.live.place(quantity="0.001").status == "filled"
    assert fresh().live.state == "running"


def test_a_loss_before_a_restart_counts_after_it(limited_app: AppWithBot, fresh: Start) -> None:
    limited_app.live.pin(BTC, PRICES[BTC] - 1000)
    assert wait_until(lambda: limited_app.viewer.get("/risk")["day"]["loss"] == "100000")
    before = limited_app.viewer.get("/risk")["day"]
    again = fresh()
    again.live.pin(BTC, PRICES[BTC] - 1000)
    assert wait_until(lambda: again.viewer.get("/risk")["day"] == before)
    again.live.pin(BTC, PRICES[BTC] - 1600)
    assert wait_until(lambda: again.live.state == "paused")


def test_a_loss_that_somebody_has_seen_does_not_count_again_after_a_restart(
    limited_app: AppWithBot, fresh: Start
) -> None:
    lose_value(limited_app.live)
    assert wait_until(lambda: limited_app.live.state == "paused")
    limited_app.admin.post("/bot/resume")
    before = limited_app.viewer.get("/risk")["day"]
    again = fresh()
    lose_value(again.live)
    assert wait_until(lambda: again.viewer.get("/risk")["day"] == before)
    assert again.live.settle().state == "running"


def test_a_pause_by_hand_is_not_ended_by_the_limit(limited_app: AppWithBot) -> None:
    limited_app.admin.post("/bot/pause")
    lose_value(limited_app.live)
    limited_app.live.settle()
    limit(limited_app, max_daily_loss="300000")
    limited_app.live.pin(BTC, PRICES[BTC])
    limited_app.live.settle()
    assert limited_app.live.state == "paused"


def test_resuming_before_the_limit_is_reached_forgets_no_loss(limited_app: AppWithBot) -> None:
    limited_app.live.pin(BTC, PRICES[BTC] - 1000)
    assert wait_until(lambda: limited_app.viewer.get("/risk")["day"]["loss"] == "100000")
    limited_app.admin.post("/bot/pause")
    limited_app.admin.post("/bot/resume")
    lose_value(limited_app.live)
    assert wait_until(lambda: limited_app.live.state == "paused")
