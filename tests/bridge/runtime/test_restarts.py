from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from backend.errors import ApiError, Conflict
from backend.schemas.bot import Bot
from tests.bridge.live_bridge import (
    LiveBridge,
    run_concurrently,
    wait_until,
)
from tests.bridge.runtime.bot_states import NEED_THE_BOT, states

pytestmark = pytest.mark.long

WAIT_S = 60


def lasting_threads() -> list[str]:
    """Name those that are there now; to_thread's own pool grows with what is asked, to a bound."""
    return sorted(t.name for t in threading.enumerate() if not t.name.startswith("asyncio_"))


def test_restarts_leave_threads_and_memory_as_they_were(live: LiveBridge) -> None:
    live.boot()
    figures = []
    for _ in range(7):
        live.bridge.bot.restart()
        live.ready()
        live.pin_all()
        live.place(quantity="0.1")
        live.settle()
        gc.collect()
        figures.append((lasting_threads(), psutil.Process().memory_info().rss))
    assert wait_until(lambda: live.state == "running")
    # OctoBot looks at the machine's load in threads that end by themselves
    assert wait_until(lambda: len(lasting_threads()) <= len(figures[1][0])), figures
    assert figures[-1][1] - figures[1][1] < 5 * 2**20


def test_of_concurrent_restarts_one_wins_and_the_others_are_told(live: LiveBridge) -> None:
    live.boot().settle()
    mark = live.mark()
    outcomes = run_concurrently([live.bridge.bot.restart] * 6)
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 5
    assert sum(isinstance(outcome, Bot) for outcome in outcomes) == 1
    live.ready()
    assert states(live, mark) == ["stopping", "stopped", "starting", "running"]


def test_reads_during_restarts_get_an_answer_or_not_ready(live: LiveBridge) -> None:
    live.boot()
    done, unexpected = threading.Event(), []

    def ask(call: Callable[[LiveBridge], object]) -> None:
        while not done.is_set():
            try:
                call(live)
            except ApiError as error:
                if error.status not in (404, 409, 503, 504):
                    unexpected.append(error)
            except Exception as error:
                unexpected.append(error)
            time.sleep(0.002)

    def restart() -> None:
        try:
            for _ in range(4):
                live.bridge.bot.restart()
                live.ready()
        finally:
            done.set()

    asked = ("balances", "orders", "exchanges", "tickers", "candles", "create", "cancel")
    calls = [lambda name=name: ask(NEED_THE_BOT[name]) for name in asked]
    assert run_concurrently([*calls, restart]) == [None] * (len(asked) + 1)
    assert unexpected == []


def test_closing_during_a_restart_waits_for_it_and_closes(live: LiveBridge) -> None:
    mark = live.boot().mark()
    outcomes: list[Any] = []
    restart = threading.Thread(target=lambda: outcomes.append(live.bridge.bot.restart()))
    restart.start()
    live.sink.await_name(mark, "bot_status")  # it is stopping
    live.bridge.close()
    restart.join(WAIT_S)
    assert live.state == "stopped"
    assert not any(thread.name == "octobot" for thread in threading.enumerate())
    LiveBridge(live.settings).bridge.close()
