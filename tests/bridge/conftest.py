"""One bot for the tests of a file; each test begins with pinned prices and no open orders."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.bridge.futures_trader import Trader, futures_settings
from tests.bridge.live_bridge import Live, make_settings
from tests.waiting import shut_in_the_end


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A running bot that the tests of a file share."""
    with shut_in_the_end(Live(make_settings(tmp_path_factory.mktemp("home")))) as live:
        yield live.boot()


@pytest.fixture
def bot(shared: Live) -> Live:
    """The shared bot: running, at the usual prices, without open orders."""
    if shared.state == "paused":
        shared.bridge.bot.resume()
    shared.ready()
    shared.pin_all()
    shared.cancel_all()
    shared.settle()
    return shared


@pytest.fixture(scope="module")
def shared_trader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trader]:
    """A running bot on a futures paper account that the tests of a file share."""
    with shut_in_the_end(Trader(futures_settings(tmp_path_factory.mktemp("home")))) as trader:
        trader.boot()
        yield trader


@pytest.fixture
def trader(shared_trader: Trader) -> Trader:
    """The shared futures bot: usual prices, 10x isolated, without orders and positions."""
    return shared_trader.start_over()
