"""A server in a process of its own, which the tests of a file share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.recovery.running_server import Running, running_at


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_at(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture
def running(shared: Running) -> Running:
    """The shared server: running, at its first price, without open orders."""
    if shared.api.get("/bot")["state"] == "paused":
        shared.api.ask("POST", "/bot/resume")
    shared.pin("1")
    shared.api.ask("DELETE", "/orders")
    return shared
