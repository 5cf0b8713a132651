"""A database that another process locks: `/readyz` says so at once, and the rest goes on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from backend.settings.model import Settings
from tests.databases import Cluster, make_settings
from tests.recovery.running_server import RunningServer, running_server_at
from tests.store.database_locks import locked
from tests.waiting import wait_until

REASONS = (
    "the database cannot be written: it is locked, full, or does not respond",
    "the order journal cannot be written",  # the outbox has met it first
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home = tmp_path_factory.mktemp("home")
    if request.param == "sqlite":
        return make_settings(home)
    cluster: Cluster = request.getfixturevalue("cluster")
    return make_settings(home, database_url=cluster.create_migrated())


@pytest.fixture(scope="module")
def server(settings: Settings) -> Iterator[RunningServer]:
    url = settings.database_url
    overrides = {} if url is None else {"database_url": url.get_secret_value()}
    with running_server_at(settings.home, **overrides) as server:
        yield server


def test_readyz_names_the_database_while_it_is_locked(
    server: RunningServer, settings: Settings
) -> None:
    with locked(settings):
        assert wait_until(lambda: server.api.send("GET", "/readyz").status == 503)
        ready = server.api.send("GET", "/readyz")
        assert ready.status == 503
        assert ready.json["details"] in REASONS
        assert server.api.send("GET", "/healthz").status == 200
        assert server.api.get("/portfolio")["reference_market"] == "USDT"
    server.api.wait_until_ready()
    assert server.post(side="buy", type="market").status == 201
