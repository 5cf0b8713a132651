"""Fixture: a journal in each kind of database; PostgreSQL's is emptied between tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.concurrency.host import ThreadHost
from backend.settings.model import Settings
from backend.store import Database, Journal
from tests.databases import Cluster, make_settings
from tests.store.journal.database_faults import empty


@pytest.fixture(scope="session")
def server_url(cluster: Cluster) -> str:
    return cluster.create_migrated()


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    if request.param == "postgresql":
        return make_settings(tmp_path, database_url=request.getfixturevalue("server_url"))
    shutil.copy(request.getfixturevalue("migrated_file"), tmp_path)
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
