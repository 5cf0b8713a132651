"""Databases that cannot be written: locked by another process, or read-only."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection

from backend.settings.model import Settings
from backend.store import Database

_HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA busy_timeout = 60000")
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked(settings: Settings) -> Iterator[None]:
    """Lock the database against all writes; SQLite by a process, PostgreSQL by a session."""
    if settings.database_url is None:
        with subprocess.Popen(
            [sys.executable, "-c", _HOLD, str(settings.home / "backend.db")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"locked\n"
            yield
            process.communicate()
        return
    with psycopg.connect(settings.database_url.get_secret_value()) as connection:
        connection.execute("LOCK TABLE bot_memos IN EXCLUSIVE MODE")
        yield
        connection.rollback()


def make_read_only(database: Database) -> None:
    """Refuse the writes of all connections that a database opens from now on."""
    is_sqlite = database.engine.dialect.name == "sqlite"
    refuse = "PRAGMA query_only = 1" if is_sqlite else "SET default_transaction_read_only = on"

    def configure(connection: DBAPIConnection, _entry: object) -> None:
        connection.cursor().execute(refuse)
        connection.commit()

    event.listen(database.engine, "connect", configure)
