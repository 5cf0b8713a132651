"""A database of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.concurrency import ThreadHost
from backend.settings import Settings
from backend.store import Database
from tests.databases import Cluster, make_settings, running_cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    if request.param == "sqlite":
        return make_settings(tmp_path)
    cluster: Cluster = request.getfixturevalue("cluster")
    return make_settings(tmp_path, database_url=cluster.create_database())


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = Database(settings, ThreadHost())
    database.upgrade()
    yield database
    database.close()
