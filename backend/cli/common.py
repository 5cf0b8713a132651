"""Shared parts of the commands beside run, config and openapi: settings, database, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import click

from backend.concurrency.host import ThreadHost
from backend.settings.loading import load_settings
from backend.settings.model import Settings, SettingsError
from backend.store import Database, StoreError


class Refusal(click.ClickException):
    """Ends the program with one line on stderr."""

    exit_code = 2


def settings() -> Settings:
    """Read the settings or end the program."""
    try:
        return load_settings()
    except SettingsError as error:
        raise Refusal(str(error)) from None


@contextmanager
def opened_database() -> Iterator[Database]:
    """Open the settings' database, migrated; also while a server runs."""
    try:
        with closing(Database(settings(), ThreadHost())) as database:
            database.upgrade()
            yield database
    except StoreError as error:
        raise Refusal(str(error)) from None
