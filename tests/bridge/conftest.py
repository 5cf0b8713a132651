"""One bot for the tests of a file; each test begins with pinned prices and no open orders."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.bridge.futures_trader import Trader, futures_settings
from tests.bridge.live_bridge import LiveBridge, make_settings
from tests.waiting import shutting_down


@pytest.fixture(scope="module")
def shared_bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveBridge]:
    """A running bot that the tests of a file share."""
    with shutting_down(LiveBridge(make_settings(tmp_path_factory.mktemp("home")))) as live:
        yield live.boot()


@pytest.fixture
def bot(shared_bridge: LiveBridge) -> LiveBridge:
    """The shared bot: running, at the usual prices, without open orders."""
    if shared_bridge.state == "paused":
        shared_bridge.bridge.bot.resume()
    shared_bridge.ready()
    shared_bridge.pin_all()
    shared_bridge.cancel_all()
    shared_bridge.settle()
    return shared_bridge


@pytest.fixture(scope="module")
def shared_trader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trader]:
    """A running bot on a futures paper account that the tests of a file share."""
    with shutting_down(Trader(futures_settings(tmp_path_factory.mktemp("home")))) as trader:
        trader.boot()
        yield trader


@pytest.fixture
def trader(shared_trader: Trader) -> Trader:
    """The shared futures bot: usual prices, 10x isolated, without orders and positions."""
    return shared_trader.start_over()
