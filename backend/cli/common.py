"""Settings, database and errors as the administration commands use them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import click
from sqlalchemy.exc import SQLAlchemyError

from backend.concurrency.host import ThreadHost
from backend.settings.loading import load_settings
from backend.settings.model import Settings, SettingsError
from backend.store import Database, StoreError
from backend.store.restore import refuse_unfinished_restore


class CliError(click.ClickException):
    """Ends the program with exit code 2 and one line on stderr."""

    exit_code = 2


def settings() -> Settings:
    """Read the settings; raises `CliError` if they are invalid."""
    try:
        return load_settings()
    except SettingsError as error:
        raise CliError(str(error)) from None


@contextmanager
def open_database() -> Iterator[Database]:
    """Open the settings' database and migrate it; a server may be running on it."""
    values = settings()
    try:
        refuse_unfinished_restore(values.home)
        with closing(Database(values, ThreadHost())) as database:
            database.upgrade()
            try:
                yield database
            except SQLAlchemyError as error:
                raise database.unusable(error) from error
    except StoreError as error:
        raise CliError(str(error)) from None
