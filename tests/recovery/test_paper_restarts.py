"""A paper account comes back from ten restarts as it was, and its orders go on working."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.recovery import account_state
from tests.recovery.running_server import RunningServer
from tests.server_process import wait_until

pytestmark = pytest.mark.long

RESTARTS: tuple[Callable[[RunningServer], None], ...] = (
    RunningServer.restart_bot,
    RunningServer.kill_process,
    RunningServer.stop_process,
    RunningServer.stop_and_start_bot,
    RunningServer.kill_process,
)


def place_one_of_each(server: RunningServer) -> dict[str, dict[str, Any]]:
    """Place orders that all rest at the first price, but for an entry that fills at once."""
    at, place = server.at, server.place
    near = {"take_profit": {"price": at("1.05")}, "stop_loss": {"stop_price": at("0.93")}}
    wide = {
        "take_profit": {"price": at("1.07")},
        "stop_loss": {"stop_price": at("0.9"), "price": at("0.89")},
    }
    profit = {"side": "sell", "stop_price": at("1.06")}
    return {
        "far": place(side="buy", type="limit", price=at("0.5")),
        "low": place(side="buy", type="limit", price=at("0.97")),
        "high": place(side="sell", type="limit", price=at("1.03")),
        "stop": place(side="sell", type="stop_loss", stop_price=at("0.94"), tag="last stop"),
        "profit": place(type="take_profit", **profit),
        "profit limit": place(type="take_profit_limit", price=at("1.055"), **profit),
        "trailing": place(side="sell", type="trailing_stop", stop_price=at("0.99")),
        "triggered": place(side="buy", type="stop_limit", stop_price=at("1.001"), price=at("0.98")),
        "resting": place(
            side="buy", type="limit", price=at("0.96"), client_order_id="mine", **near
        ),
        "entered": place(side="buy", type="market", **wide),
    }


def trigger(server: RunningServer, orders: dict[str, dict[str, Any]]) -> None:
    """Trigger the stop limit, whose limit then rests, and pull the trailing stop."""
    server.pin("1.005")
    path = f"/orders/{orders['trailing']['id']}"
    begun = Decimal(orders["trailing"]["stop_price"])
    assert wait_until(lambda: Decimal(server.api.get(path)["stop_price"]) > begun)
    resting = (orders[name]["price"] for name in ("far", "low", "triggered", "resting"))
    locked = Decimal("0.1") * sum(map(Decimal, resting))
    assert wait_until(lambda: account_state.read(server.api).locked["USDT"] == locked)


def assert_exits_cancel_each_other(server: RunningServer, *entries: dict[str, Any]) -> None:
    """The take profit of each entry has filled."""
    for entry in entries:
        ends = {
            o["type"]: o["status"] for o in account_state.read(server.api).exits_of(entry["id"])
        }
        assert ends.pop("limit") == "filled"
        assert list(ends.values()) == ["canceled"]


def test_a_pause_outlives_a_kill(server: RunningServer) -> None:
    assert server.api.ask("POST", "/bot/pause")["state"] == "paused"
    server.kill_process()
    assert server.api.get("/bot")["state"] == "paused"
    assert server.post(side="buy", type="market").json["type"] == "trading_paused"
    server.api.ask("POST", "/bot/resume")
    server.kill_process()
    assert server.post(side="buy", type="market").status == 201


def test_ten_restarts_change_nothing_and_every_order_goes_on_working(server: RunningServer) -> None:
    orders = place_one_of_each(server)
    trigger(server, orders)
    before = server.account()
    assert len(before.state.open_orders) == 11
    assert before.baseline > 0

    for restart in RESTARTS * 2:
        restart(server)
        after = server.account()
        assert after.state == before.state
        assert after.baseline == before.baseline

    server.pin("0.955")
    server.await_status("filled", *(orders[name] for name in ("low", "trailing", "resting")))
    server.await_status("filled", orders["triggered"])
    server.restart_bot()
    server.pin("1.08")
    server.await_status("filled", *(orders[name] for name in ("high", "profit", "profit limit")))
    assert_exits_cancel_each_other(server, orders["resting"], orders["entered"])
    server.pin("0.93")
    server.await_status("filled", orders["stop"])

    found = server.account_state()
    assert [order["id"] for order in found.open_orders] == [orders["far"]["id"]]
    assert server.account().baseline == before.baseline
