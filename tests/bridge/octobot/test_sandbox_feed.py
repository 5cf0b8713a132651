"""News of the market for a bot whose loop has ended meanwhile."""

from __future__ import annotations

import gc
from pathlib import Path

import octobot.commands

from tests.bridge.live_bridge import BTC, LiveBridge, make_settings, wait_until
from tests.waiting import shutting_down


def test_news_that_a_bot_does_not_live_to_hear_leaves_nothing_behind(tmp_path: Path) -> None:
    """Python warns of what is never awaited, and a warning is an error here."""
    with shutting_down(LiveBridge(make_settings(tmp_path / "home")).boot().pin_all()) as live:
        loop = octobot.commands.GLOBAL_BOT_INSTANCE.task_manager.async_loop
        live.sink.passes.clear()
        live.steer(BTC, 41_000)  # the first that holds the bot up
        assert wait_until(lambda: live.bridge.lag_monitor.lag_s > 1)  # more has come since
        loop.call_soon_threadsafe(loop.stop)
        live.sink.passes.set()
        assert wait_until(lambda: live.state == "failed")
        gc.collect()
