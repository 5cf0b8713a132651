from __future__ import annotations

from decimal import Decimal

import orjson
import pytest

from backend.errors import Conflict
from tests.bridge.live_bridge import (
    LiveBridge,
)
from tests.bridge.runtime.bot_states import assert_nothing_is_ready, states

D = Decimal


def test_a_bridge_that_was_not_booted_is_stopped_and_says_so(live: LiveBridge) -> None:
    assert_nothing_is_ready(live, "the bot is stopped")
    bot = live.bridge.bot.status()
    assert (bot.state, bot.reason, bot.started_at, bot.trading) == ("stopped", None, None, "paper")
    assert [(row.exchange, row.ready) for row in bot.exchanges] == [("sandbox", False)]
    readiness = live.bridge.readiness()
    assert (readiness.ready, readiness.bot) == (False, "stopped")
    assert readiness.missing == ["bot is stopped", "exchange sandbox is not connected"]


def test_booting_returns_at_once_and_answers_not_ready_until_the_bot_runs(live: LiveBridge) -> None:
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


def test_a_status_event_holds_the_whole_bot(live: LiveBridge) -> None:
    live.boot().settle()
    event = live.sink.since(0, "bot")[-1]
    assert (event.name, event.key, event.symbol) == ("bot_status", "bot", None)
    assert event.item is not None
    lag_ms = orjson.loads(event.item)["loop_lag_ms"]
    present = live.bridge.bot.status().model_copy(update={"loop_lag_ms": lag_ms})
    assert event.item == present.model_dump_json().encode()
    assert orjson.loads(event.data)["bot"] == orjson.loads(event.item)


def test_a_stopped_bot_can_be_started_again(live: LiveBridge) -> None:
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


def test_a_restart_keeps_what_was_traded(live: LiveBridge) -> None:
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
