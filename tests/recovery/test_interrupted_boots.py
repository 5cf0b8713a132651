"""A stop that comes in the last moment of a boot: the bot stays stopped, and says nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

import orjson
import pytest

from backend.bridge.status import BootFailed
from tests.bridge.live_bridge import BTC, LiveBridge, make_settings, wait_until
from tests.waiting import shutting_down


class Interrupted(LiveBridge):
    """A bridge whose bot is told to stop when it has booted, or all but failed to."""

    def __init__(self, home: Path) -> None:
        super().__init__(make_settings(home, symbols=(BTC,)), on_booted=self._be_interrupted)
        self.ending: Callable[[], None] = lambda: None

    def _be_interrupted(self) -> None:
        """Hold the bot's loop until the stop is under way."""
        threading.Thread(target=self.bridge.bot.stop).start()
        assert wait_until(lambda: self.state == "stopping")
        self.ending()

    def told(self) -> list[str]:
        """Return the states that were told; a warning tells the same one again."""
        events = self.sink.since(0, "bot")
        return [state for state, _ in groupby(orjson.loads(e.data)["bot"]["state"] for e in events)]


@pytest.fixture
def interrupted(tmp_path: Path) -> Iterator[Interrupted]:
    with shutting_down(Interrupted(tmp_path / "home")) as interrupted:
        yield interrupted


def planned() -> set[threading.Thread]:
    """Return the timers that wait for their time."""
    timers = {thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)}
    return {timer for timer in timers if not timer.finished.is_set()}


def test_a_bot_that_is_stopped_as_its_boot_ends_does_not_say_that_it_runs(
    interrupted: Interrupted,
) -> None:
    interrupted.bridge.boot()
    assert wait_until(lambda: interrupted.told()[-1:] == ["stopped"])
    assert interrupted.told() == ["starting", "stopping", "stopped"]


def test_a_bot_that_is_stopped_as_its_boot_fails_does_not_start_again(
    interrupted: Interrupted,
) -> None:
    def fail() -> None:
        raise BootFailed("the exchange is out of reach")

    interrupted.ending, before = fail, planned()
    interrupted.bridge.boot()
    assert wait_until(lambda: interrupted.state == "stopped")
    assert planned() <= before
