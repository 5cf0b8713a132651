from __future__ import annotations

import gc
import json

import octobot.commands
import pytest

from tests.bridge.live_bridge import (
    LiveBridge,
    wait_until,
)
from tests.bridge.runtime.bot_states import assert_nothing_is_ready, states


# a thread that dies leaves behind what it had still to await
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
def test_a_bot_whose_thread_died_is_failed_and_can_be_started_again(live: LiveBridge) -> None:
    live.boot().pin_all()
    filled = live.place(quantity="0.1")
    loop = octobot.commands.GLOBAL_BOT_INSTANCE.task_manager.async_loop
    loop.call_soon_threadsafe(loop.stop)
    assert wait_until(lambda: live.state == "failed")
    bot = live.bridge.bot.status()
    assert (bot.reason, bot.started_at) == ("the bot's thread has ended", None)
    assert_nothing_is_ready(live, "the bot is failed: the bot's thread has ended")
    assert live.bridge.readiness().missing[0] == "bot is failed: the bot's thread has ended"
    assert live.bridge.bot.start().state == "starting"
    live.ready()
    assert states(live) == ["starting", "running", "failed", "starting", "running"]
    assert live.bridge.orders.get(filled.id) == filled
    assert live.place(quantity="0.1").status == "filled"
    gc.collect()  # here, not in the middle of another test


BREAKS: dict[str, tuple[str, str]] = {
    "no JSON": ("user/config.json", "{"),
    "no object": ("user/config.json", "[]"),
    "profile without JSON": ("user/profiles/backend/profile.json", "{"),
    "profile without content": ("user/profiles/backend/profile.json", "{}"),
    "no stamp": ("user/backend-settings.json", "{"),
}


@pytest.mark.parametrize("broken", BREAKS)
def test_a_folder_that_cannot_be_read_fails_the_boot_and_says_so(
    live: LiveBridge, broken: str
) -> None:
    live.boot()
    live.bridge.bot.stop()
    live.settle()
    name, text = BREAKS[broken]
    path = live.settings.home / "octobot" / name
    whole = path.read_text()
    path.write_text(text)
    mark = live.mark()
    assert live.bridge.bot.start().state in ("starting", "failed")
    assert wait_until(lambda: live.state == "failed")
    reason = live.bridge.bot.status().reason
    assert reason is not None
    assert reason.startswith("boot failed (")
    assert_nothing_is_ready(live, reason)
    assert live.bridge.readiness().missing[0] == f"bot is failed: {reason}"
    assert states(live, mark) == ["starting", "failed"]
    path.write_text(whole)
    live.bridge.bot.start()
    live.ready()
    # a process's first bot adds what is OctoBot's own
    assert json.loads(path.read_text()).keys() >= json.loads(whole).keys()
