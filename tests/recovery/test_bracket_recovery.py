"""A kill between an entry's fill, its exits, and the end of both: the bracket is whole again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.recovery.running_server import Running
from tests.server_process import GONE, wait_until

pytestmark = pytest.mark.long


@pytest.fixture
def bracket(running: Running) -> Iterator[dict[str, Any]]:
    """A resting entry with a take profit and a stop loss; nothing of it is left at the end."""
    yield running.place(
        side="buy",
        type="limit",
        price=running.at("0.99"),
        take_profit={"price": running.at("1.05")},
        stop_loss={"stop_price": running.at("0.95")},
    )
    running.api.ask("DELETE", "/orders")


def move(running: Running, ratio: str) -> None:
    """Move the price, of which the server dies."""
    with suppress(*GONE):
        body = {"price": running.at(ratio), "hold": True}
        running.api.ask("PUT", "/sandbox/prices/BTC-USDT", body)
    running.await_death()


def statuses(running: Running, entry: dict[str, Any]) -> dict[str, str]:
    exits = running.books().exits_of(entry["id"])
    assert len(exits) == len({order["type"] for order in exits})
    return {order["type"]: order["status"] for order in exits}


@pytest.mark.parametrize("instant", ["an entry has filled", "an exit was placed"])
def test_exits_that_a_kill_kept_from_being_placed_are_placed(
    running: Running, bracket: dict[str, Any], instant: str
) -> None:
    running.doom_process(instant)
    move(running, "0.985")
    assert running.status(bracket) == "filled"
    running.pin("1")
    assert statuses(running, bracket) == {"limit": "open", "stop_loss": "open"}
    quantities = {order["quantity"] for order in running.books().exits_of(bracket["id"])}
    assert quantities == {"0.0999"}
    running.pin("1.06")
    assert wait_until(lambda: statuses(running, bracket)["limit"] == "filled")
    assert statuses(running, bracket)["stop_loss"] == "canceled"


@pytest.mark.parametrize(
    ("ratio", "filled", "canceled"),
    [("0.94", "stop_loss", "limit"), ("1.06", "limit", "stop_loss")],
)
def test_a_kill_in_the_end_of_a_bracket_leaves_no_exit_alone(
    running: Running, bracket: dict[str, Any], ratio: str, filled: str, canceled: str
) -> None:
    running.pin("0.985")
    running.await_status("filled", bracket)
    assert wait_until(lambda: len(statuses(running, bracket)) == 2)
    running.doom_process("an exit has ended")
    move(running, ratio)
    running.pin("1")
    assert statuses(running, bracket) == {filled: "filled", canceled: "canceled"}


def test_a_kill_in_the_cancel_of_a_bracket_cancels_both(
    running: Running, bracket: dict[str, Any]
) -> None:
    running.pin("0.985")
    running.await_status("filled", bracket)
    assert wait_until(lambda: len(statuses(running, bracket)) == 2)
    running.doom_process("an exit has ended")
    exits = running.books().exits_of(bracket["id"])
    with suppress(*GONE):
        running.api.send("DELETE", f"/orders/{exits[0]['id']}")
    running.await_death()
    assert statuses(running, bracket) == {"limit": "canceled", "stop_loss": "canceled"}
