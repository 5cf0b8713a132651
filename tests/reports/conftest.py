"""A running bot with its whole application, asked as a client asks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backend.schemas.order_commands import CancelQuery
from tests.app_with_bot import AppWithBot, app_settings
from tests.bridge.live_bridge import PRICES, Live
from tests.waiting import shut_in_the_end


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppWithBot]:
    """A bot and its application that the tests of a file share."""
    with shut_in_the_end(AppWithBot(app_settings(tmp_path_factory.mktemp("home")))) as app_with_bot:
        app_with_bot.boot()
        yield app_with_bot


@pytest.fixture
def app_with_bot(shared: AppWithBot) -> AppWithBot:
    """The shared one, at the usual prices, without limits and open orders."""
    names = ("max_order_value", "max_open_orders", "symbols", "max_daily_loss")
    shared.admin.patch("/risk", dict.fromkeys(names))
    if shared.live.state == "paused":
        shared.live.bridge.bot.resume()
    shared.live.pin_all()
    shared.live.bridge.orders.cancel_many(CancelQuery())
    shared.live.settle()
    return shared


@pytest.fixture
def live(app_with_bot: AppWithBot) -> Live:
    """The bot alone."""
    return app_with_bot.live


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Callable[..., AppWithBot]]:
    """Start a bot and its application of one's own; each call is another start on one home."""
    left = Path.cwd()
    running: list[AppWithBot] = []

    def start(**overrides: object) -> AppWithBot:
        for earlier in running:
            earlier.close()
        running[:] = [AppWithBot(app_settings(tmp_path, **overrides))]
        for symbol, price in PRICES.items():  # from the first price on: a jump may be a loss
            running[0].live.bridge.sandbox.pin(symbol, price)
        running[0].boot().live.pin_all()
        return running[0]

    yield start
    for app_with_bot in running:
        app_with_bot.close()
    os.chdir(left)
