"""Risk limits of settings and changes, across restarts."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.app_with_bot import AppWithBot
from tests.reports.test_risk_routes import OFF, limits

pytestmark = pytest.mark.long

Start = Callable[..., AppWithBot]


def test_settings_hold_until_they_are_changed(fresh: Start) -> None:
    app_with_bot = fresh(
        risk_max_order_value="500",
        risk_max_open_orders=7,
        risk_symbols="BTC-USDT, ETH/USDT",
        risk_max_daily_loss="50.5",
    )
    risk = app_with_bot.viewer.get("/risk")
    settings = {
        "max_order_value": "500",
        "max_open_orders": 7,
        "symbols": ["BTC/USDT", "ETH/USDT"],
        "max_daily_loss": "50.5",
    }
    assert limits(risk) == settings
    assert set(risk["sources"].values()) == {"setting"}
    app_with_bot.admin.patch("/risk", {"max_open_orders": 1})
    assert app_with_bot.viewer.get("/risk")["sources"]["max_open_orders"] == "changed"
    assert limits(app_with_bot.admin.patch("/risk", dict.fromkeys(settings))) == settings


def test_changes_hold_after_a_restart(fresh: Start) -> None:
    app_with_bot = fresh(risk_max_open_orders=7)
    change = {"max_order_value": "12.5", "symbols": ["ETH/USDT"], "max_open_orders": 2}
    app_with_bot.admin.patch("/risk", change)
    risk = fresh(risk_max_open_orders=9).viewer.get("/risk")
    assert limits(risk) == {**OFF, **change}
    assert risk["sources"]["max_open_orders"] == "changed"


def test_a_change_that_cannot_be_kept_is_not_in_force(fresh: Start, tmp_path: Path) -> None:
    app_with_bot = fresh(snapshot_interval=3600)
    blocker = sqlite3.connect(tmp_path / "backend.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    problem = app_with_bot.admin.patch("/risk", {"max_open_orders": 1}, expect=503)
    blocker.execute("ROLLBACK")
    blocker.close()
    assert problem["type"] == "store_unavailable"
    assert limits(app_with_bot.admin.get("/risk")) == OFF


def test_limits_can_be_read_and_changed_while_the_bot_is_stopped(fresh: Start) -> None:
    app_with_bot = fresh()
    app_with_bot.live.bridge.bot.stop()
    assert app_with_bot.admin.patch("/risk", {"max_open_orders": 1})["max_open_orders"] == 1
    assert app_with_bot.viewer.get("/risk")["reference_market"] is None
