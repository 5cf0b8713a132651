"""One bot that trades futures, for the tests of a file; each begins without a position."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

with warnings.catch_warnings():  # OctoBot's own imports warn
    warnings.simplefilter("ignore")
    from tests.futures.trader import Trader, futures_settings


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trader]:
    """A running bot on a futures paper account that the tests of a file share."""
    left = Path.cwd()
    trader = Trader(futures_settings(tmp_path_factory.mktemp("home")))
    try:
        trader.boot()
        yield trader
    finally:
        trader.bridge.close()
        os.chdir(left)


@pytest.fixture
def trader(shared: Trader) -> Trader:
    """The shared bot: at the usual prices, at 10x isolated, without orders and positions."""
    return shared.start_over()
