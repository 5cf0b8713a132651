"""A kill between an entry's fill, its exits, and the end of both: the bracket is whole again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.recovery.running_server import RunningServer
from tests.server_process import GONE, wait_until

pytestmark = pytest.mark.long


@pytest.fixture
def bracket(server: RunningServer) -> Iterator[dict[str, Any]]:
    """A resting entry with a take profit and a stop loss; nothing of it is left at the end."""
    yield server.place(
        side="buy",
        type="limit",
        price=server.at("0.99"),
        take_profit={"price": server.at("1.05")},
        stop_loss={"stop_price": server.at("0.95")},
    )
    server.api.ask("DELETE", "/orders")


def move(server: RunningServer, ratio: str) -> None:
    """Move the price, of which the server dies."""
    with suppress(*GONE):
        body = {"price": server.at(ratio), "hold": True}
        server.api.ask("PUT", "/sandbox/prices/BTC-USDT", body)
    server.await_crash()


def statuses(server: RunningServer, entry: dict[str, Any]) -> dict[str, str]:
    exits = server.account_state().exits_of(entry["id"])
    assert len(exits) == len({order["type"] for order in exits})
    return {order["type"]: order["status"] for order in exits}


@pytest.mark.parametrize("instant", ["an entry has filled", "an exit was placed"])
def test_exits_that_a_kill_kept_from_being_placed_are_placed(
    server: RunningServer, bracket: dict[str, Any], instant: str
) -> None:
    server.restart_to_crash_after(instant)
    move(server, "0.985")
    assert server.status(bracket) == "filled"
    server.pin("1")
    assert statuses(server, bracket) == {"limit": "open", "stop_loss": "open"}
    quantities = {order["quantity"] for order in server.account_state().exits_of(bracket["id"])}
    assert quantities == {"0.0999"}
    server.pin("1.06")
    assert wait_until(lambda: statuses(server, bracket)["limit"] == "filled")
    assert statuses(server, bracket)["stop_loss"] == "canceled"


@pytest.mark.parametrize(
    ("ratio", "filled", "canceled"),
    [("0.94", "stop_loss", "limit"), ("1.06", "limit", "stop_loss")],
)
def test_a_kill_in_the_end_of_a_bracket_leaves_no_exit_alone(
    server: RunningServer, bracket: dict[str, Any], ratio: str, filled: str, canceled: str
) -> None:
    server.pin("0.985")
    server.await_status("filled", bracket)
    assert wait_until(lambda: len(statuses(server, bracket)) == 2)
    server.restart_to_crash_after("an exit has ended")
    move(server, ratio)
    server.pin("1")
    assert statuses(server, bracket) == {filled: "filled", canceled: "canceled"}


def test_a_kill_in_the_cancel_of_a_bracket_cancels_both(
    server: RunningServer, bracket: dict[str, Any]
) -> None:
    server.pin("0.985")
    server.await_status("filled", bracket)
    assert wait_until(lambda: len(statuses(server, bracket)) == 2)
    server.restart_to_crash_after("an exit has ended")
    exits = server.account_state().exits_of(bracket["id"])
    with suppress(*GONE):
        server.api.send("DELETE", f"/orders/{exits[0]['id']}")
    server.await_crash()
    assert statuses(server, bracket) == {"limit": "canceled", "stop_loss": "canceled"}
