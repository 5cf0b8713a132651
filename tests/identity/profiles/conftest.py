"""Settings of a database of each kind."""

from __future__ import annotations

import pytest

from backend.settings.model import Settings
from tests.databases import Cluster, make_settings


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    if request.param == "sqlite":
        return settings
    cluster: Cluster = request.getfixturevalue("cluster")
    limits = {
        name: getattr(settings, name)
        for name in settings.model_fields_set
        if name.startswith("rate_limit")
    }
    return make_settings(
        settings.home,
        secret_key=settings.secret_key,
        database_url=cluster.create_migrated(),
        **limits,
    )
