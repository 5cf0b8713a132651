"""The limit of a day's loss: it pauses the bot until somebody resumes it, or midnight."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from backend.errors import OrderRefused
from backend.schemas.common import utc_now
from tests.app_with_bot import AppWithBot
from tests.bridge.live_bridge import BTC, ETH, PRICES, Live, wait_until

pytestmark = pytest.mark.long

D = Decimal
Start = Callable[..., AppWithBot]


def limit(app_with_bot: AppWithBot, **values: Any) -> None:
    app_with_bot.admin.patch("/risk", values)


def refused(live: Live) -> OrderRefused:
    with pytest.raises(OrderRefused) as caught:
        live.place()
    assert live.orders() == []
    return caught.value


def fall(live: Live) -> None:
    """Let the account, which holds 100 BTC, lose 200,000 USDT."""
    live.pin(BTC, PRICES[BTC] - 2000)


@pytest.fixture
def guarded(fresh: Start) -> AppWithBot:
    """A bot that may lose 150,000 USDT a day."""
    app_with_bot = fresh()
    risk = app_with_bot.live.bridge.risk
    value = D(1_000_000) + 100 * PRICES[BTC] + 100 * PRICES[ETH]
    assert wait_until(lambda: risk.day is not None and risk.day.value == value)
    risk.resume(utc_now())  # counts from the pinned prices on
    limit(app_with_bot, max_daily_loss="150000")
    return app_with_bot


def test_a_days_loss_pauses_the_bot_and_refuses_orders(guarded: AppWithBot) -> None:
    fall(guarded.live)
    assert wait_until(lambda: guarded.live.state == "paused")
    assert guarded.viewer.get("/bot")["reason"] == "the day's loss has reached the risk limit"
    error = refused(guarded.live)
    assert (error.status, error.type) == (422, "risk_max_daily_loss")
    assert error.details == "max_daily_loss is 150000, the loss of this day is 200000"
    day = guarded.viewer.get("/risk")["day"]
    assert (day["loss"], day["limit_reached"]) == ("200000", True)


def test_what_an_order_lost_counts_for_the_next_one(guarded: AppWithBot) -> None:
    limit(guarded, max_daily_loss="30")
    assert guarded.live.place(quantity="1").status == "filled"  # for a fee of 40
    assert refused(guarded.live).type == "risk_max_daily_loss"


def test_it_stays_paused_when_the_value_recovers(guarded: AppWithBot) -> None:
    fall(guarded.live)
    assert wait_until(lambda: guarded.live.state == "paused")
    guarded.live.pin(BTC, PRICES[BTC])
    guarded.live.settle()
    assert guarded.live.state == "paused"
    assert refused(guarded.live).type == "risk_max_daily_loss"


def test_open_orders_may_still_be_canceled(guarded: AppWithBot) -> None:
    order = guarded.live.place(type="limit", price="20000")
    fall(guarded.live)
    assert wait_until(lambda: guarded.live.state == "paused")
    assert guarded.live.bridge.orders.cancel(order.id).status == "canceled"


def test_resuming_lets_trading_go_on_until_the_next_loss(guarded: AppWithBot) -> None:
    fall(guarded.live)
    assert wait_until(lambda: guarded.live.state == "paused")
    guarded.admin.post("/bot/resume")
    assert guarded.live.place(quantity="0.001").status == "filled"
    assert guarded.viewer.get("/risk")["day"]["limit_reached"] is False
    guarded.live.pin(BTC, PRICES[BTC] - 4000)
    assert wait_until(lambda: guarded.live.state == "paused")
    assert refused(guarded.live).type == "risk_max_daily_loss"


def test_a_higher_limit_lets_trading_go_on(guarded: AppWithBot) -> None:
    fall(guarded.live)
    assert wait_until(lambda: guarded.live.state == "paused")
    limit(guarded, max_daily_loss="300000")
    assert wait_until(lambda: guarded.live.state == "running")
    assert guarded.live.place(quantity="0.001").status == "filled"


def test_a_restart_of_the_bot_ends_no_pause(guarded: AppWithBot) -> None:
    fall(guarded.live)
    assert wait_until(lambda: guarded.live.state == "paused")
    guarded.admin.post("/bot/restart", expect=202)
    assert wait_until(lambda: guarded.live.state in ("running", "paused"))
    with pytest.raises(OrderRefused, match="max_daily_loss"):
        guarded.live.place()
    assert wait_until(lambda: guarded.live.state == "paused")


def test_a_restart_of_the_process_ends_no_pause_though_the_value_recovers(
    guarded: AppWithBot, fresh: Start
) -> None:
    fall(guarded.live)
    assert wait_until(lambda: guarded.live.state == "paused")
    again = fresh()
    assert again.live.settle().state == "paused"
    assert again.viewer.get("/bot")["reason"] == "the day's loss has reached the risk limit"
    assert refused(again.live).type == "risk_max_daily_loss"
    again.admin.post("/bot/resume")
    assert again.live.place(quantity="0.001").status == "filled"
    assert fresh().live.state == "running"


def test_a_loss_before_a_restart_counts_after_it(guarded: AppWithBot, fresh: Start) -> None:
    guarded.live.pin(BTC, PRICES[BTC] - 1000)
    assert wait_until(lambda: guarded.viewer.get("/risk")["day"]["loss"] == "100000")
    before = guarded.viewer.get("/risk")["day"]
    again = fresh()
    again.live.pin(BTC, PRICES[BTC] - 1000)
    assert wait_until(lambda: again.viewer.get("/risk")["day"] == before)
    again.live.pin(BTC, PRICES[BTC] - 1600)
    assert wait_until(lambda: again.live.state == "paused")


def test_a_loss_that_somebody_has_seen_does_not_count_again_after_a_restart(
    guarded: AppWithBot, fresh: Start
) -> None:
    fall(guarded.live)
    assert wait_until(lambda: guarded.live.state == "paused")
    guarded.admin.post("/bot/resume")
    before = guarded.viewer.get("/risk")["day"]
    again = fresh()
    fall(again.live)
    assert wait_until(lambda: again.viewer.get("/risk")["day"] == before)
    assert again.live.settle().state == "running"


def test_a_pause_by_hand_is_not_ended_by_the_limit(guarded: AppWithBot) -> None:
    guarded.admin.post("/bot/pause")
    fall(guarded.live)
    guarded.live.settle()
    limit(guarded, max_daily_loss="300000")
    guarded.live.pin(BTC, PRICES[BTC])
    guarded.live.settle()
    assert guarded.live.state == "paused"


def test_resuming_before_the_limit_is_reached_forgets_no_loss(guarded: AppWithBot) -> None:
    guarded.live.pin(BTC, PRICES[BTC] - 1000)
    assert wait_until(lambda: guarded.viewer.get("/risk")["day"]["loss"] == "100000")
    guarded.admin.post("/bot/pause")
    guarded.admin.post("/bot/resume")
    fall(guarded.live)
    assert wait_until(lambda: guarded.live.state == "paused")
