"""Databases as an earlier version left them."""

from __future__ import annotations

from alembic import command
from alembic.config import Config

from backend.concurrency.host import ThreadHost
from backend.settings.model import Settings
from backend.store import Database


def open_at(settings: Settings, revision: str) -> Database:
    """Open an empty database and migrate it to a revision only."""
    database = Database(settings, ThreadHost())
    config = Config()
    config.set_main_option("script_location", "backend.store:migrations")
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    return database
