"""The portfolio history across restarts of the bot."""

from __future__ import annotations

from collections.abc import Callable

from backend.schemas.common import decimal_text, time_text
from backend.store import snapshots
from tests.app_with_bot import AppWithBot
from tests.bridge.live_bridge import wait_until

Start = Callable[..., AppWithBot]


def test_a_value_is_taken_soon_after_the_start_and_kept(fresh: Start) -> None:
    app_with_bot = fresh(snapshot_interval=3600)
    assert wait_until(lambda: app_with_bot.viewer.get("/portfolio/history"))
    (first,) = app_with_bot.viewer.get("/portfolio/history", interval="1m")
    app_with_bot = fresh(snapshot_interval=3600)
    assert wait_until(lambda: len(stored_values(app_with_bot)) == 2)
    assert stored_values(app_with_bot)[0] == (first["time"], first["total_value"])


def stored_values(app_with_bot: AppWithBot) -> list[tuple[str, str]]:
    """Return all snapshots, oldest first; two starts may lie within one second."""
    database = app_with_bot.live.database
    found = database.read(snapshots.list_values, "sandbox:paper", "USDT")
    return [(time_text(taken_at), decimal_text(value)) for taken_at, value in found]


def test_history_can_be_read_while_the_bot_is_stopped(fresh: Start) -> None:
    app_with_bot = fresh()
    assert wait_until(lambda: app_with_bot.viewer.get("/portfolio/history"))
    app_with_bot.live.bridge.bot.stop()
    assert len(app_with_bot.viewer.get("/portfolio/history")) == 1


def test_a_stopped_bot_cannot_refresh(fresh: Start) -> None:
    app_with_bot = fresh()
    app_with_bot.live.bridge.bot.stop()
    assert app_with_bot.viewer.post("/portfolio/refresh", expect=503)["type"] == "bot_not_ready"
