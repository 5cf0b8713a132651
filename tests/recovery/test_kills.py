"""kill -9 while orders of every kind stream in: none is lost, none is doubled."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.recovery.kill_loop import kill_again_and_again

pytestmark = pytest.mark.long

EVERY_KIND = {
    "market": 25,
    "limit": 30,
    "bracket": 15,
    "resting bracket": 10,
    "stop": 10,
    "trailing": 5,
}


def test_kills_among_orders_of_every_kind_lose_and_double_nothing(tmp_path: Path) -> None:
    found = kill_again_and_again(tmp_path / "home", EVERY_KIND)
    assert {order["status"] for order in found.orders} >= {"filled", "canceled", "rejected"}
