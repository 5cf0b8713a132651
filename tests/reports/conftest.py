"""Fixtures: a running bot with its application."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backend.schemas.order_commands import CancelQuery
from tests.app_with_bot import AppWithBot, app_settings
from tests.bridge.live_bridge import PRICES, LiveBridge
from tests.waiting import shutting_down


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppWithBot]:
    """An application with a bot, shared by the tests of a file."""
    with shutting_down(AppWithBot(app_settings(tmp_path_factory.mktemp("home")))) as app_with_bot:
        app_with_bot.boot()
        yield app_with_bot


@pytest.fixture
def app_with_bot(shared: AppWithBot) -> AppWithBot:
    """The shared application, at the usual prices, without limits and open orders."""
    names = ("max_order_value", "max_open_orders", "symbols", "max_daily_loss")
    shared.admin.patch("/risk", dict.fromkeys(names))
    if shared.live.state == "paused":
        shared.live.bridge.bot.resume()
    shared.live.pin_all()
    shared.live.bridge.orders.cancel_many(CancelQuery())
    shared.live.settle()
    return shared


@pytest.fixture
def live(app_with_bot: AppWithBot) -> LiveBridge:
    """The bot alone."""
    return app_with_bot.live


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Callable[..., AppWithBot]]:
    """Start an application with a bot; each call restarts it on the same home."""
    left = Path.cwd()
    running: list[AppWithBot] = []

    def start(**overrides: object) -> AppWithBot:
        for earlier in running:
            earlier.shut()
        running[:] = [AppWithBot(app_settings(tmp_path, **overrides))]
        for symbol, price in PRICES.items():  # from the first price on: a jump may be a loss
            running[0].live.bridge.sandbox.pin(symbol, price)
        running[0].boot().live.pin_all()
        return running[0]

    yield start
    for app_with_bot in running:
        app_with_bot.shut()
    os.chdir(left)
