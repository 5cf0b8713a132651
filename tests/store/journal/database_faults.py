"""Real faults of a database: connections that die in a commit, a disk that is full."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, event, text

from backend.store import Database

TABLES = [
    "positions",
    "account_balances",
    "accounts",
    "order_intent_keys",
    "order_intents",
    "orders",
]
TABLES += ["trades", "journal_events", "journal_batches"]


@contextmanager
def connection_lost(database: Database, *, when: str) -> Iterator[None]:
    """Let every commit lose its connection, right before it takes effect or right after."""

    def lose(connection: Connection) -> None:
        held = connection.connection.dbapi_connection
        if when == "after commit":
            held.commit()
        held.close()

    event.listen(database.engine, "commit", lose)
    try:
        yield
    finally:
        event.remove(database.engine, "commit", lose)


class PageLimit:
    """Keeps a SQLite database from growing, as a full disk does; make it before the journal."""

    def __init__(self, database: Database) -> None:
        self._pages = 2**30
        self._connections: list[sqlite3.Connection] = []
        event.listen(database.engine, "connect", self._opened)
        database.engine.dispose()  # what is open already was not seen

    def allow(self, more_pages: int) -> None:
        """Allow some more pages than there are now."""
        count = self._connections[-1].execute("PRAGMA page_count").fetchone()[0]
        self._pages = count + more_pages
        for connection in self._connections:
            with suppress(sqlite3.ProgrammingError):  # closed
                self._limit(connection)

    def _opened(self, connection: sqlite3.Connection, _entry: object) -> None:
        self._connections.append(connection)
        self._limit(connection)

    def _limit(self, connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA max_page_count = {self._pages}")


@contextmanager
def largest_file(path: Path, more_bytes: int) -> Iterator[None]:
    """Let no file of this process grow beyond the present size of one, and some more bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + more_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def contents(database: Database) -> dict[str, list[str]]:
    """Return every row of the journal."""
    with database.engine.connect() as connection:
        return {
            table: sorted(map(repr, connection.execute(text(f"SELECT * FROM {table}"))))
            for table in TABLES
        }


def empty(database: Database) -> None:
    """Delete every row of the journal."""
    with database.engine.begin() as connection:
        for table in TABLES:
            connection.execute(text(f"DELETE FROM {table}"))
