"""One bot for the tests of a file; each test begins with pinned prices and no open orders."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest

from tests.together import shut_in_the_end

with warnings.catch_warnings():  # OctoBot's own imports warn
    warnings.simplefilter("ignore")
    from tests.bridge.live import Live, make_settings


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
