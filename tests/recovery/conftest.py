"""A server in a process of its own, which the tests of a file share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.recovery.running_server import RunningServer, running_server_at


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server_at(tmp_path_factory.mktemp("home")) as server:
        yield server


@pytest.fixture
def server(shared_server: RunningServer) -> RunningServer:
    """The shared server: running, at its first price, without open orders."""
    if shared_server.api.get("/bot")["state"] == "paused":
        shared_server.api.ask("POST", "/bot/resume")
    shared_server.pin("1")
    shared_server.api.ask("DELETE", "/orders")
    return shared_server
