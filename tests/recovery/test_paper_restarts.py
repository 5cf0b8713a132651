"""A paper account comes back from ten restarts as it was, and its orders go on working."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.recovery import account_state as books
from tests.recovery.running_server import Running
from tests.server_process import wait_until

pytestmark = pytest.mark.long

RESTARTS: tuple[Callable[[Running], None], ...] = (
    Running.restart_bot,
    Running.kill_process,
    Running.end_process,
    Running.stop_and_start_bot,
    Running.kill_process,
)


def place_one_of_each(running: Running) -> dict[str, dict[str, Any]]:
    """Place orders that all rest at the first price, but for an entry that fills at once."""
    at, place = running.at, running.place
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


def trigger(running: Running, orders: dict[str, dict[str, Any]]) -> None:
    """Trigger the stop limit, whose limit then rests, and pull the trailing stop."""
    running.pin("1.005")
    path = f"/orders/{orders['trailing']['id']}"
    begun = Decimal(orders["trailing"]["stop_price"])
    assert wait_until(lambda: Decimal(running.api.get(path)["stop_price"]) > begun)
    resting = (orders[name]["price"] for name in ("far", "low", "triggered", "resting"))
    locked = Decimal("0.1") * sum(map(Decimal, resting))
    assert wait_until(lambda: books.read(running.api).locked["USDT"] == locked)


def assert_exits_cancel_each_other(running: Running, *entries: dict[str, Any]) -> None:
    """The take profit of each entry has filled."""
    for entry in entries:
        ends = {o["type"]: o["status"] for o in books.read(running.api).exits_of(entry["id"])}
        assert ends.pop("limit") == "filled"
        assert list(ends.values()) == ["canceled"]


def test_a_pause_outlives_a_kill(running: Running) -> None:
    assert running.api.ask("POST", "/bot/pause")["state"] == "paused"
    running.kill_process()
    assert running.api.get("/bot")["state"] == "paused"
    assert running.post(side="buy", type="market").json["type"] == "trading_paused"
    running.api.ask("POST", "/bot/resume")
    running.kill_process()
    assert running.post(side="buy", type="market").status == 201


def test_ten_restarts_change_nothing_and_every_order_goes_on_working(running: Running) -> None:
    orders = place_one_of_each(running)
    trigger(running, orders)
    before = running.account()
    assert len(before.books.open_orders) == 11
    assert before.baseline > 0

    for restart in RESTARTS * 2:
        restart(running)
        after = running.account()
        assert after.books == before.books
        assert after.baseline == before.baseline

    running.pin("0.955")
    running.await_status("filled", *(orders[name] for name in ("low", "trailing", "resting")))
    running.await_status("filled", orders["triggered"])
    running.restart_bot()
    running.pin("1.08")
    running.await_status("filled", *(orders[name] for name in ("high", "profit", "profit limit")))
    assert_exits_cancel_each_other(running, orders["resting"], orders["entered"])
    running.pin("0.93")
    running.await_status("filled", orders["stop"])

    found = running.books()
    assert [order["id"] for order in found.open_orders] == [orders["far"]["id"]]
    assert running.account().baseline == before.baseline
