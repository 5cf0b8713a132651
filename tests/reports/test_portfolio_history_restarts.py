"""The portfolio history across restarts of the bot."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

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
    assert wait_until(lambda: len(kept(app_with_bot)) == 2)
    assert kept(app_with_bot)[-1] == (first["time"], first["total_value"])


def kept(app_with_bot: AppWithBot) -> list[tuple[str, str]]:
    found = app_with_bot.live.database.read(
        snapshots.of_account, "sandbox:paper", timedelta(seconds=1), 9
    )
    return [(time_text(row.taken_at), decimal_text(row.total_value)) for row in found]


def test_history_can_be_read_while_the_bot_is_stopped(fresh: Start) -> None:
    app_with_bot = fresh()
    assert wait_until(lambda: app_with_bot.viewer.get("/portfolio/history"))
    app_with_bot.live.bridge.bot.stop()
    assert len(app_with_bot.viewer.get("/portfolio/history")) == 1


def test_a_stopped_bot_cannot_refresh(fresh: Start) -> None:
    app_with_bot = fresh()
    app_with_bot.live.bridge.bot.stop()
    assert app_with_bot.viewer.post("/portfolio/refresh", expect=503)["type"] == "bot_not_ready"
