"""The dead-man switch over HTTP: armed, renewed, disarmed, fired; it outlives the bot's run."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

import pytest

from tests.recovery.running_server import Running
from tests.server_process import wait_until

pytestmark = pytest.mark.long
MILLISECOND = timedelta(milliseconds=1)


def arm(running: Running, timeout_s: int) -> dict[str, object]:
    switch: dict[str, object] = running.api.ask(
        "POST", "/orders/cancel-all-after", {"timeout_s": timeout_s}
    )
    return switch


def moment(text: object) -> datetime:
    return datetime.fromisoformat(str(text).replace("Z", "+00:00"))


def pass_by(switch: dict[str, object]) -> None:
    """Let the moment pass at which a switch cancels, or would have."""
    left = moment(switch["cancels_at"]) - datetime.now(timezone.utc)
    time.sleep(max(0.0, left.total_seconds()) + 0.3)


def rest(running: Running) -> list[dict[str, object]]:
    """Place orders that stay open: a limit, a stop, and a bracket's two exits."""
    exits = {
        "take_profit": {"price": running.at("1.5")},
        "stop_loss": {"stop_price": running.at("0.5")},
    }
    entry = running.place(side="buy", type="market", **exits)
    assert wait_until(lambda: len(running.books().exits_of(entry["id"])) == 2)
    return [
        running.place(side="buy", type="limit", price=running.at("0.5")),
        running.place(side="sell", type="stop_loss", stop_price=running.at("0.4")),
        *running.books().exits_of(entry["id"]),
    ]


def test_a_switch_that_nobody_renews_cancels_all_orders_in_time(running: Running) -> None:
    orders = rest(running)
    begin = datetime.now(timezone.utc)
    switch = arm(running, 1)
    assert (switch["armed"], switch["timeout_s"]) == (True, 1)
    armed = datetime.now(timezone.utc)
    told = moment(switch["cancels_at"])
    assert begin - MILLISECOND <= told - timedelta(seconds=1) <= armed
    running.await_status("canceled", *orders)
    ended = [running.api.get(f"/orders/{order['id']}")["updated_at"] for order in orders]
    assert min(map(moment, ended)) >= told - MILLISECOND
    found = running.books()
    assert found.open_orders == []
    assert found.locked == {}
    later = running.place(side="buy", type="limit", price=running.at("0.5"))
    time.sleep(1.2)
    assert running.status(later) == "open"


def test_a_renewed_switch_waits_anew_and_a_disarmed_one_does_nothing(running: Running) -> None:
    order = running.place(side="buy", type="limit", price=running.at("0.5"))
    renewed = arm(running, 2)
    disarmed = arm(running, 5)
    pass_by(renewed)
    assert running.status(order) == "open"
    assert arm(running, 0) == {"armed": False, "timeout_s": 0, "cancels_at": None}
    pass_by(disarmed)
    assert running.status(order) == "open"


def test_a_switch_fires_while_trading_is_paused(running: Running) -> None:
    order = running.place(side="buy", type="limit", price=running.at("0.5"))
    arm(running, 1)
    running.api.ask("POST", "/bot/pause")
    running.await_status("canceled", order)


def test_a_switch_whose_time_has_passed_fires_before_the_bot_is_ready(running: Running) -> None:
    orders = rest(running)
    switch = arm(running, 1)
    running.api.ask("POST", "/bot/stop")
    pass_by(switch)
    running.kill_process()
    assert {running.status(order) for order in orders} == {"canceled"}
    found = running.books()
    assert found.open_orders == []
    assert found.locked == {}
    later = running.place(side="buy", type="limit", price=running.at("0.5"))
    running.restart_bot()
    assert running.status(later) == "open"


def test_an_armed_switch_outlives_restarts_and_kills_and_a_disarmed_one_does_not(
    running: Running,
) -> None:
    order = running.place(side="buy", type="limit", price=running.at("0.5"))
    disarmed = arm(running, 2)
    arm(running, 0)
    running.kill_process()
    pass_by(disarmed)
    assert running.status(order) == "open"
    arm(running, 2)
    running.restart_bot()
    running.kill_process()
    running.await_status("canceled", order)


@pytest.mark.parametrize("timeout_s", [-1, 86_401, "x", 1.5, None])
def test_a_switch_takes_whole_seconds_up_to_a_day(running: Running, timeout_s: object) -> None:
    answer = running.api.send("POST", "/orders/cancel-all-after", {"timeout_s": timeout_s})
    assert (answer.status, answer.json["type"]) == (400, "validation_error")
