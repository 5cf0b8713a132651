"""One bot that trades futures, for the tests of a file; each begins without a position."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest

from tests.together import shut_in_the_end

with warnings.catch_warnings():  # OctoBot's own imports warn
    warnings.simplefilter("ignore")
    from tests.futures.trader import Trader, futures_settings


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trader]:
    """A running bot on a futures paper account that the tests of a file share."""
    with shut_in_the_end(Trader(futures_settings(tmp_path_factory.mktemp("home")))) as trader:
        trader.boot()
        yield trader


@pytest.fixture
def trader(shared: Trader) -> Trader:
    """The shared bot: at the usual prices, at 10x isolated, without orders and positions."""
    return shared.start_over()
