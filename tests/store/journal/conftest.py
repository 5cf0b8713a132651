"""A journal in a database of each kind; the databases are made once, and emptied between tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.concurrency import ThreadHost
from backend.settings import Settings
from backend.store import Database, Journal
from tests.databases import Cluster, make_settings
from tests.store.journal.faults import empty


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = make_settings(tmp_path_factory.mktemp("empty"))
    database = Database(settings, ThreadHost())
    database.upgrade()
    database.close()
    return settings.home / "backend.db"


@pytest.fixture(scope="session")
def server_url(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    url = cluster.create_database()
    database = Database(
        make_settings(tmp_path_factory.mktemp("home"), database_url=url), ThreadHost()
    )
    database.upgrade()
    database.close()
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    if request.param == "postgresql":
        return make_settings(tmp_path, database_url=request.getfixturevalue("server_url"))
    shutil.copy(request.getfixturevalue("empty_file"), tmp_path)
    return make_settings(tmp_path)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = Database(settings, ThreadHost(), lock_timeout_s=2)
    empty(database)
    yield database
    database.close()


@pytest.fixture
def journal(database: Database) -> Iterator[Journal]:
    journal = Journal(database)
    yield journal
    journal.close()
