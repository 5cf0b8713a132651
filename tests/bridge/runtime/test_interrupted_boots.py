from __future__ import annotations

import threading
import time

import pytest

from tests.bridge.live_bridge import (
    LiveBridge,
)
from tests.bridge.runtime.bot_states import states


@pytest.mark.parametrize("delay_s", [0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4])
def test_a_boot_can_be_stopped_at_any_moment(live: LiveBridge, delay_s: float) -> None:
    live.bridge.boot()
    time.sleep(delay_s)
    assert live.bridge.bot.stop().state == "stopped"
    time.sleep(0.1)
    seen = states(live)
    assert seen[0] == "starting"
    assert seen[-1] == "stopped"
    assert live.state == "stopped"
    assert not any(thread.name == "octobot" for thread in threading.enumerate())
    live.bridge.bot.start()
    live.ready()
    assert live.place(quantity="0.1").status == "filled"


@pytest.mark.parametrize("delay_s", [0, 0.02, 0.1, 0.3])
def test_closing_during_a_boot_ends_the_thread_and_frees_the_home(
    live: LiveBridge, delay_s: float
) -> None:
    live.bridge.boot()
    time.sleep(delay_s)
    live.bridge.close()
    assert live.state == "stopped"
    assert not any(thread.name == "octobot" for thread in threading.enumerate())
    again = LiveBridge(live.settings)
    again.boot()
    again.bridge.close()
