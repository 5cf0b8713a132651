"""Fixture: a database of each kind."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.concurrency.host import ThreadHost
from backend.settings.model import Settings
from backend.store import Database
from tests.databases import Cluster, make_settings


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings of a database that has no tables yet."""
    if request.param == "sqlite":
        return make_settings(tmp_path)
    cluster: Cluster = request.getfixturevalue("cluster")
    return make_settings(tmp_path, database_url=cluster.create_database())


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings of a database that has its tables."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_file"), tmp_path)
        return make_settings(tmp_path)
    cluster: Cluster = request.getfixturevalue("cluster")
    return make_settings(tmp_path, database_url=cluster.create_migrated())


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = Database(settings, ThreadHost())
    yield database
    database.close()
