"""GET and PATCH /risk: permissions, validation and persistence."""

from __future__ import annotations

from typing import Any

import pytest

from tests.app_with_bot import AppWithBot

OFF = {"max_order_value": None, "max_open_orders": None, "symbols": None, "max_daily_loss": None}


def limits(risk: dict[str, Any]) -> dict[str, Any]:
    return {name: risk[name] for name in OFF}


def test_without_settings_all_limits_are_off(app_with_bot: AppWithBot) -> None:
    risk = app_with_bot.viewer.get("/risk")
    assert limits(risk) == OFF
    assert set(risk["sources"].values()) == {"off"}
    assert risk["reference_market"] == "USDT"
    assert (risk["day"]["limit_reached"], set(risk["day"])) == (
        False,
        {
            "counted_since",
            "opening_value",
            "value",
            "loss",
            "unpriced",
            "left_out",
            "limit_reached",
        },
    )


def test_an_admin_changes_some_and_takes_them_back(app_with_bot: AppWithBot) -> None:
    changed = app_with_bot.admin.patch(
        "/risk", {"max_order_value": "1000.50", "symbols": ["btc-usdt"]}
    )
    assert limits(changed) == {**OFF, "max_order_value": "1000.5", "symbols": ["BTC/USDT"]}
    assert changed["sources"]["symbols"] == "changed"
    then = app_with_bot.admin.patch("/risk", {"max_order_value": None, "max_open_orders": 3})
    assert limits(then) == {**OFF, "symbols": ["BTC/USDT"], "max_open_orders": 3}
    assert then["sources"]["max_order_value"] == "off"
    assert limits(app_with_bot.viewer.get("/risk")) == limits(then)


def test_changing_nothing_changes_nothing(app_with_bot: AppWithBot) -> None:
    app_with_bot.admin.patch("/risk", {"max_open_orders": 3})
    assert limits(app_with_bot.admin.patch("/risk", {})) == {**OFF, "max_open_orders": 3}


@pytest.mark.parametrize("role", ["viewer", "trader"])
def test_others_may_look_but_not_change(app_with_bot: AppWithBot, role: str) -> None:
    caller = getattr(app_with_bot, role)
    assert caller.patch("/risk", {"max_open_orders": 1}, expect=403)["type"] == "forbidden"
    assert limits(caller.get("/risk")) == OFF


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_order_value", "0"),
        ("max_order_value", "-1"),
        ("max_order_value", "NaN"),
        ("max_order_value", "Infinity"),
        ("max_order_value", True),
        ("max_order_value", "1e999"),
        ("max_order_value", "0.1234567890123456789"),
        ("max_order_value", [1]),
        ("max_open_orders", -1),
        ("max_open_orders", 1.5),
        ("max_open_orders", 10**9),
        ("max_open_orders", "many"),
        ("symbols", []),
        ("symbols", "BTC/USDT"),
        ("symbols", ["BTC"]),
        ("symbols", [None]),
        ("symbols", ["BTC/USDT"] * 1001),
        ("max_daily_loss", 0),
        ("max_daily_loss", {"usdt": 5}),
        ("max_weekly_loss", "5"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(
    app_with_bot: AppWithBot, field: str, value: Any
) -> None:
    body = {"max_open_orders": 3, field: value}
    problem = app_with_bot.admin.patch("/risk", body, expect=400)
    assert problem["fields"][0]["field"].split(".")[0] == field
    assert limits(app_with_bot.admin.get("/risk")) == OFF


def test_a_change_is_audited(app_with_bot: AppWithBot) -> None:
    app_with_bot.admin.patch("/risk", {"max_open_orders": 5})
    app_with_bot.app.extensions["backend"].audit.flush()
    entry = app_with_bot.admin.get("/audit", limit=1)[0]
    assert (entry["action"], entry["username"], entry["outcome"]) == (
        "risk.change_risk",
        "admin",
        "ok",
    )
