"""The journal's single writing connection, and the translation of its errors."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from backend.ports.journal import JournalUnavailable
from backend.store.database import Database

_ADVISORY_LOCK = f"SELECT pg_advisory_xact_lock({0x0C70B08})"


class Writer:
    """Runs one transaction at a time, across threads and processes.

    SQLite's write lock keeps other processes out; on PostgreSQL an advisory lock does,
    so that event numbers grow in the order of commits there too.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._closed = False

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Open a transaction, committed on exit; raises `JournalUnavailable`."""
        with self._lock:
            try:
                with translated_errors(self._database):
                    connection = self._connected()
                    with self._database.write_lock(), connection.begin():
                        if connection.dialect.name == "postgresql":
                            connection.connection.cursor().execute(_ADVISORY_LOCK)
                        yield connection
            except JournalUnavailable:
                self._disconnect()
                raise

    def close(self) -> None:
        """Refuse all further transactions."""
        with self._lock:
            self._closed = True
            self._disconnect()

    def _connected(self) -> Connection:
        if self._closed:
            raise JournalUnavailable("the journal is closed")
        if self._connection is None:
            self._connection = self._database.open_writer()
        return self._connection

    def _disconnect(self) -> None:
        """Close the connection: after a failure a new one is the safest choice."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(SQLAlchemyError):
                connection.close()


@contextmanager
def translated_errors(database: Database) -> Iterator[None]:
    """Translate errors of the database, but not of the data, into `JournalUnavailable`."""
    driver = database.engine.dialect.loaded_dbapi
    try:
        yield
    except PoolTimeout as error:
        raise JournalUnavailable("no connection is free") from error
    except (DBAPIError, driver.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if isinstance(cause, (driver.IntegrityError, driver.DataError)):
            raise
        database.integrity.note(cause)
        raise JournalUnavailable(str(cause)) from error
