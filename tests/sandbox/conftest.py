"""Fixtures: a clock that tests set, markets on it, and a bot that trades on the sandbox."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from backend.sandbox import Market, install
from tests.sandbox.octobot_boot import Bot

SYMBOLS = ["BTC/USDT", "ETH/USDT", "ETH/BTC"]
# A Wednesday, 13:37:12.345 UTC.
START = 1_768_397_832.345


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def market(clock: Clock) -> Market:
    return Market(seed=7, clock=clock)


@pytest.fixture(scope="session")
def live_market() -> Market:
    return Market(seed=7)


@pytest.fixture(scope="session")
def paper_bot(live_market: Market, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    install(live_market)
    with Bot(tmp_path_factory.mktemp("paper"), SYMBOLS, keys=None) as bot:
        yield bot
