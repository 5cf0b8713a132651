from __future__ import annotations

import gc
import json
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import octobot.commands
import orjson
import psutil
import pytest

from backend.errors import ApiError, BotNotReady, Conflict, TradingPaused
from backend.schemas.bot import Bot
from backend.schemas.markets import BookQuery, CandleQuery, TickerQuery
from backend.schemas.orders import OrderQuery
from backend.schemas.trades import TradeQuery
from tests.bridge.live_bridge import (
    BTC,
    FEE,
    Live,
    at_once,
    content,
    make_settings,
    new_order,
    wait_until,
)
from tests.waiting import shut_in_the_end

pytestmark = pytest.mark.long

D = Decimal
WAIT_S = 60

NEED_THE_BOT: dict[str, Callable[[Live], object]] = {
    "portfolio": lambda live: live.bridge.portfolio.summary(),
    "balances": lambda live: live.bridge.portfolio.balances(),
    "orders": lambda live: live.bridge.orders.page(OrderQuery()),
    "order": lambda live: live.bridge.orders.get("x"),
    "create": lambda live: live.bridge.orders.create(new_order()),
    "cancel": lambda live: live.bridge.orders.cancel("x"),
    "trades": lambda live: live.bridge.trades.page(TradeQuery()),
    "trade": lambda live: live.bridge.trades.get("x"),
    "exchanges": lambda live: live.bridge.markets.exchanges(),
    "markets": lambda live: live.bridge.markets.markets(None),
    "tickers": lambda live: live.bridge.markets.tickers(TickerQuery()),
    "ticker": lambda live: live.bridge.markets.ticker(BTC, None),
    "candles": lambda live: live.bridge.markets.candles(BTC, CandleQuery()),
    "book": lambda live: live.bridge.markets.order_book(BTC, BookQuery()),
    "pause": lambda live: live.bridge.bot.pause(),
    "resume": lambda live: live.bridge.bot.resume(),
}


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    """A bridge of this test alone, not yet booted."""
    with shut_in_the_end(Live(make_settings(tmp_path / "home"))) as live:
        yield live


def states(live: Live, mark: int = 0) -> list[str]:
    """Return the states that were told since, the present one last."""

    def told() -> list[str]:
        events = live.sink.since(mark, "bot")
        return [orjson.loads(event.data)["bot"]["state"] for event in events]

    assert wait_until(lambda: told()[-1:] == [live.state]), told()
    return told()


def assert_nothing_is_ready(live: Live, reason: str) -> None:
    for call in NEED_THE_BOT.values():
        with pytest.raises(BotNotReady) as refusal:
            call(live)
        assert refusal.value.status == 503
        assert refusal.value.retry_after_s == 2
        assert refusal.value.details is not None
        assert reason in refusal.value.details


def test_a_bridge_that_was_not_booted_is_stopped_and_says_so(live: Live) -> None:
    assert_nothing_is_ready(live, "the bot is stopped")
    bot = live.bridge.bot.status()
    assert (bot.state, bot.reason, bot.started_at, bot.trading) == ("stopped", None, None, "paper")
    assert [(row.exchange, row.ready) for row in bot.exchanges] == [("sandbox", False)]
    readiness = live.bridge.readiness()
    assert (readiness.ready, readiness.bot) == (False, "stopped")
    assert readiness.missing == ["bot is stopped", "exchange sandbox is not connected"]


def test_booting_returns_at_once_and_answers_not_ready_until_the_bot_runs(live: Live) -> None:
    live.sink.passes.clear()
    live.bridge.boot()
    assert live.state == "starting"
    assert_nothing_is_ready(live, "the bot is starting")
    assert live.bridge.readiness().missing[0] == "bot is starting"
    with pytest.raises(Conflict):
        live.bridge.bot.start()
    live.sink.passes.set()
    live.ready()
    assert states(live) == ["starting", "running"]
    bot = live.bridge.bot.status()
    assert bot.started_at is not None
    assert [(row.exchange, row.ready) for row in bot.exchanges] == [("sandbox", True)]
    readiness = live.bridge.readiness()
    assert (readiness.ready, readiness.bot, readiness.missing) == (True, "running", [])
    assert live.totals()["BTC"] == 100


def test_a_status_event_holds_the_whole_bot(live: Live) -> None:
    live.boot().settle()
    event = live.sink.since(0, "bot")[-1]
    assert (event.name, event.key, event.symbol) == ("bot_status", "bot", None)
    assert event.item is not None
    lag_ms = orjson.loads(event.item)["loop_lag_ms"]
    present = live.bridge.bot.status().model_copy(update={"loop_lag_ms": lag_ms})
    assert event.item == present.model_dump_json().encode()
    assert orjson.loads(event.data)["bot"] == orjson.loads(event.item)


def test_a_stopped_bot_can_be_started_again(live: Live) -> None:
    live.boot().settle()
    mark = live.mark()
    assert live.bridge.bot.stop().state == "stopped"
    assert_nothing_is_ready(live, "the bot is stopped")
    with pytest.raises(Conflict):
        live.bridge.bot.stop()
    assert live.bridge.bot.start().state == "starting"
    live.ready()
    assert states(live, mark) == ["stopping", "stopped", "starting", "running"]
    with pytest.raises(Conflict):
        live.bridge.bot.start()


def test_a_restart_keeps_what_was_traded(live: Live) -> None:
    live.boot().pin_all()
    filled = live.place(quantity="0.5", client_order_id="mine")
    live.settle()
    trades, mark = live.trades(), live.mark()
    assert live.bridge.bot.restart().state == "starting"
    live.ready()
    assert states(live, mark) == ["stopping", "stopped", "starting", "running"]
    assert live.bridge.orders.get(filled.id) == filled
    assert live.trades() == trades
    assert live.place(quantity="0.5").status == "filled"
    assert len(live.orders(status="closed")) == 2


def lasting_threads() -> list[str]:
    """Name those that are there now; to_thread's own pool grows with what is asked, to a bound."""
    return sorted(t.name for t in threading.enumerate() if not t.name.startswith("asyncio_"))


def test_restarts_leave_threads_and_memory_as_they_were(live: Live) -> None:
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


def test_of_concurrent_restarts_one_wins_and_the_others_are_told(live: Live) -> None:
    live.boot().settle()
    mark = live.mark()
    outcomes = at_once([live.bridge.bot.restart] * 6)
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 5
    assert sum(isinstance(outcome, Bot) for outcome in outcomes) == 1
    live.ready()
    assert states(live, mark) == ["stopping", "stopped", "starting", "running"]


def test_reads_during_restarts_get_an_answer_or_not_ready(live: Live) -> None:
    live.boot()
    done, unexpected = threading.Event(), []

    def ask(call: Callable[[Live], object]) -> None:
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
    assert at_once([*calls, restart]) == [None] * (len(asked) + 1)
    assert unexpected == []


def test_a_paused_bot_takes_no_orders_and_lets_the_others_rest_fill_or_go(live: Live) -> None:
    live.boot().pin_all()
    resting = live.place(type="limit", price="39000", quantity="0.1")
    other = live.place(type="limit", price="30000", quantity="0.1")
    live.settle()
    mark = live.mark()
    assert live.bridge.bot.pause().state == "paused"
    with pytest.raises(Conflict):
        live.bridge.bot.pause()
    before = live.balances()
    for order_type, fields in (("market", {}), ("limit", {"price": "39000"})):
        with pytest.raises(TradingPaused):
            live.place(type=order_type, **fields)
    assert live.balances() == before
    assert live.sink.names(mark) == ["bot_status"]
    assert live.bridge.readiness().ready
    assert content(live.bridge.markets.ticker(BTC, None))["price"] == "40000"

    assert live.bridge.orders.cancel(other.id).status == "canceled"
    live.steer(BTC, 38_900)
    live.settled(resting.id)
    live.settle()
    assert live.totals()["BTC"] == before["BTC"].total + D("0.1") * (1 - FEE)
    assert live.locked() == {}

    assert live.bridge.bot.resume().state == "running"
    with pytest.raises(Conflict):
        live.bridge.bot.resume()
    assert live.place(quantity="0.1").status == "filled"
    assert states(live, mark) == ["paused", "running"]


# a thread that dies leaves behind what it had still to await
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
def test_a_bot_whose_thread_died_is_failed_and_can_be_started_again(live: Live) -> None:
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
def test_a_folder_that_cannot_be_read_fails_the_boot_and_says_so(live: Live, broken: str) -> None:
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


@pytest.mark.parametrize("delay_s", [0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4])
def test_a_boot_can_be_stopped_at_any_moment(live: Live, delay_s: float) -> None:
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
    live: Live, delay_s: float
) -> None:
    live.bridge.boot()
    time.sleep(delay_s)
    live.bridge.close()
    assert live.state == "stopped"
    assert not any(thread.name == "octobot" for thread in threading.enumerate())
    again = Live(live.settings)
    again.boot()
    again.bridge.close()


def test_closing_during_a_restart_waits_for_it_and_closes(live: Live) -> None:
    mark = live.boot().mark()
    outcomes: list[Any] = []
    restart = threading.Thread(target=lambda: outcomes.append(live.bridge.bot.restart()))
    restart.start()
    live.sink.await_name(mark, "bot_status")  # it is stopping
    live.bridge.close()
    restart.join(WAIT_S)
    assert live.state == "stopped"
    assert not any(thread.name == "octobot" for thread in threading.enumerate())
    Live(live.settings).bridge.close()
