"""The dead-man switch over HTTP: armed, renewed, disarmed, fired; it outlives the bot's run."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

import pytest

from tests.recovery.running_server import RunningServer
from tests.server_process import wait_until

pytestmark = pytest.mark.long
MILLISECOND = timedelta(milliseconds=1)


def arm(server: RunningServer, timeout_s: int) -> dict[str, object]:
    switch: dict[str, object] = server.api.ask(
        "POST", "/orders/cancel-all-after", {"timeout_s": timeout_s}
    )
    return switch


def moment(text: object) -> datetime:
    return datetime.fromisoformat(str(text).replace("Z", "+00:00"))


def pass_by(switch: dict[str, object]) -> None:
    """Let the moment pass at which a switch cancels, or would have."""
    left = moment(switch["cancels_at"]) - datetime.now(timezone.utc)
    time.sleep(max(0.0, left.total_seconds()) + 0.3)


def rest(server: RunningServer) -> list[dict[str, object]]:
    """Place orders that stay open: a limit, a stop, and a bracket's two exits."""
    exits = {
        "take_profit": {"price": server.at("1.5")},
        "stop_loss": {"stop_price": server.at("0.5")},
    }
    entry = server.place(side="buy", type="market", **exits)
    assert wait_until(lambda: len(server.account_state().exits_of(entry["id"])) == 2)
    return [
        server.place(side="buy", type="limit", price=server.at("0.5")),
        server.place(side="sell", type="stop_loss", stop_price=server.at("0.4")),
        *server.account_state().exits_of(entry["id"]),
    ]


def test_a_switch_that_nobody_renews_cancels_all_orders_in_time(server: RunningServer) -> None:
    orders = rest(server)
    begin = datetime.now(timezone.utc)
    switch = arm(server, 1)
    assert (switch["armed"], switch["timeout_s"]) == (True, 1)
    armed = datetime.now(timezone.utc)
    told = moment(switch["cancels_at"])
    assert begin - MILLISECOND <= told - timedelta(seconds=1) <= armed
    server.await_status("canceled", *orders)
    ended = [server.api.get(f"/orders/{order['id']}")["updated_at"] for order in orders]
    assert min(map(moment, ended)) >= told - MILLISECOND
    found = server.account_state()
    assert found.open_orders == []
    assert found.locked == {}
    later = server.place(side="buy", type="limit", price=server.at("0.5"))
    time.sleep(1.2)
    assert server.status(later) == "open"


def test_a_renewed_switch_waits_anew_and_a_disarmed_one_does_nothing(server: RunningServer) -> None:
    order = server.place(side="buy", type="limit", price=server.at("0.5"))
    renewed = arm(server, 2)
    disarmed = arm(server, 5)
    pass_by(renewed)
    assert server.status(order) == "open"
    assert arm(server, 0) == {"armed": False, "timeout_s": 0, "cancels_at": None}
    pass_by(disarmed)
    assert server.status(order) == "open"


def test_a_switch_fires_while_trading_is_paused(server: RunningServer) -> None:
    order = server.place(side="buy", type="limit", price=server.at("0.5"))
    arm(server, 1)
    server.api.ask("POST", "/bot/pause")
    server.await_status("canceled", order)


def test_a_switch_whose_time_has_passed_fires_before_the_bot_is_ready(
    server: RunningServer,
) -> None:
    orders = rest(server)
    switch = arm(server, 1)
    server.api.ask("POST", "/bot/stop")
    pass_by(switch)
    server.kill_process()
    assert {server.status(order) for order in orders} == {"canceled"}
    found = server.account_state()
    assert found.open_orders == []
    assert found.locked == {}
    later = server.place(side="buy", type="limit", price=server.at("0.5"))
    server.restart_bot()
    assert server.status(later) == "open"


def test_an_armed_switch_outlives_restarts_and_kills_and_a_disarmed_one_does_not(
    server: RunningServer,
) -> None:
    order = server.place(side="buy", type="limit", price=server.at("0.5"))
    disarmed = arm(server, 2)
    arm(server, 0)
    server.kill_process()
    pass_by(disarmed)
    assert server.status(order) == "open"
    arm(server, 2)
    server.restart_bot()
    server.kill_process()
    server.await_status("canceled", order)


@pytest.mark.parametrize("timeout_s", [-1, 86_401, "x", 1.5, None])
def test_a_switch_takes_whole_seconds_up_to_a_day(server: RunningServer, timeout_s: object) -> None:
    answer = server.api.send("POST", "/orders/cancel-all-after", {"timeout_s": timeout_s})
    assert (answer.status, answer.json["type"]) == (400, "validation_error")
