"""A pause lasts until somebody ends it: a stop, a restart or a new process does not."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from backend.errors import Conflict, TradingPaused
from tests.bridge.live_bridge import BTC, FEE, LiveBridge, content, make_settings
from tests.bridge.runtime.bot_states import states
from tests.waiting import shutting_down


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveBridge]:
    """A bot of this test alone."""
    with shutting_down(LiveBridge(make_settings(tmp_path / "home"))) as live:
        yield live.boot().pin_all()


def test_a_pause_outlives_a_restart_and_a_stop_of_the_bot(live: LiveBridge) -> None:
    live.bridge.bot.pause()
    live.bridge.bot.restart()
    assert live.ready().state == "paused"
    with pytest.raises(TradingPaused):
        live.place()
    live.bridge.bot.stop()
    assert live.state == "stopped"
    live.bridge.bot.start()
    assert live.ready().state == "paused"
    assert live.bridge.bot.status().started_at is not None
    live.bridge.bot.resume()
    live.bridge.bot.restart()
    assert live.ready().state == "running"
    assert live.place().status == "filled"


def test_a_pause_outlives_the_process_and_so_does_its_end(live: LiveBridge) -> None:
    resting = live.place(type="limit", price="30000")
    live.bridge.bot.pause()
    live.bridge.close()
    again = LiveBridge(live.settings)
    again.bridge.boot()
    try:
        assert again.ready().state == "paused"
        with pytest.raises(Conflict):
            again.bridge.bot.pause()
        assert again.bridge.orders.cancel(resting.id).status == "canceled"
        again.bridge.bot.resume()
        assert again.place().status == "filled"
    finally:
        again.bridge.close()
    last = LiveBridge(live.settings)
    last.bridge.boot()
    try:
        assert last.ready().state == "running"
    finally:
        last.bridge.close()


def test_a_paused_bot_takes_no_orders_and_lets_the_others_rest_fill_or_go(live: LiveBridge) -> None:
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
    assert live.totals()["BTC"] == before["BTC"].total + Decimal("0.1") * (1 - FEE)
    assert live.locked() == {}

    assert live.bridge.bot.resume().state == "running"
    with pytest.raises(Conflict):
        live.bridge.bot.resume()
    assert live.place(quantity="0.1").status == "filled"
    assert states(live, mark) == ["paused", "running"]
