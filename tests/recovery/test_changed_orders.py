"""A changed order keeps its change when a cancel or a kill follows at once."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from tests.recovery.running_server import RunningServer
from tests.server_process import GONE


def place_far_away(server: RunningServer, **exits: object) -> dict[str, Any]:
    """Place an order that does not fill."""
    price = server.at("0.9")
    return server.place(side="buy", type="limit", price=price, quantity="0.00227", **exits)


def send_until_it_dies(server: RunningServer, method: str, path: str, body: object = None) -> None:
    """Send a request in whose course the server kills itself, and start the server again."""
    with suppress(*GONE):
        server.api.send(method, path, body)
    server.await_crash()


def test_a_change_holds_when_a_kill_follows_its_commit(server: RunningServer) -> None:
    server.restart_to_crash_after("an order was changed")
    order = place_far_away(server)
    send_until_it_dies(server, "PATCH", f"/orders/{order['id']}", {"quantity": "0.0056"})
    found = server.account_state().order(order["id"])
    assert (found["status"], found["quantity"]) == ("open", "0.0056")


@pytest.mark.parametrize("has_exits", [False, True])
def test_an_order_changed_canceled_and_killed_at_once_ends_with_its_change(
    server: RunningServer, has_exits: bool
) -> None:
    server.restart_to_crash_after("an order was canceled")
    exits = {
        "take_profit": {"price": server.at("1.1")},
        "stop_loss": {"stop_price": server.at("0.8")},
    }
    order = place_far_away(server, **(exits if has_exits else {}))
    server.api.ask("PATCH", f"/orders/{order['id']}", {"quantity": "0.0056"})
    send_until_it_dies(server, "DELETE", f"/orders/{order['id']}")
    found = server.account_state().order(order["id"])
    assert (found["status"], found["quantity"]) == ("canceled", "0.0056")
