"""Ends of paper orders across restarts of the bot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.schemas.common import utc_now
from backend.schemas.order_commands import OrderChange
from tests.bridge.live_bridge import LiveBridge, make_settings
from tests.bridge.paper.test_time_options import LATER_S, SOON_S, ends_in
from tests.waiting import shutting_down, wait_until


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveBridge]:
    with shutting_down(LiveBridge(make_settings(tmp_path / "home"))) as live:
        yield live.boot().pin_all()


def test_an_end_holds_across_restarts(live: LiveBridge) -> None:
    during = live.place(type="limit", quantity="0.1", price="39000", valid_until=ends_in(SOON_S))
    after = live.place(type="limit", quantity="0.1", price="38000", valid_until=ends_in(LATER_S))
    live.bridge.bot.stop()
    assert wait_until(lambda: during.valid_until is not None and utc_now() > during.valid_until)
    live.bridge.bot.start()
    live.ready()
    assert live.bridge.orders.get(during.id).status == "expired"
    live.settle()
    assert live.locked() == {"USDT": 3_800}
    live.bridge.orders.change(after.id, OrderChange(valid_until=ends_in(SOON_S)))
    live.bridge.bot.restart()
    live.ready()
    live.settled(after.id, "expired")
