"""The database: where it is, how it is opened, and the one road that SQL takes."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

from backend.concurrency.host import Host
from backend.errors import StoreUnavailable
from backend.settings.model import Settings
from backend.store.migrate import migrate

P = ParamSpec("P")
T = TypeVar("T")

_PATIENCE_S = 0.2
_AGAIN_S = 0.01
_WRITES = "backend_writes"
_JOURNAL = "journal"


class StoreError(Exception):
    """The database cannot be used; the text is one line that says why."""


class Database:
    """One SQLite file or one PostgreSQL database.

    `read` and `write` are for requests: they run off the hub, in the pool.
    `transaction` is for threads that may block.
    """

    def __init__(self, settings: Settings, host: Host, *, lock_timeout_s: float = 5) -> None:
        self._host = host
        self._url = _resolve(settings)
        self._lock_timeout_s = lock_timeout_s
        self._turn = threading.Lock()
        self.engine = _open(self._url, lock_timeout_s)
        self._readers = sessionmaker(self.engine, expire_on_commit=False)
        self._writers = sessionmaker(
            self.engine.execution_options(**{_WRITES: True}), expire_on_commit=False
        )

    def upgrade(self) -> None:
        """Bring the tables to this version; does nothing where they are already.

        Raises `StoreError` when the database cannot be opened or is from a newer version.
        """
        # rebuilding a table with foreign keys on would delete what refers to it
        engine = _open(self._url, self._lock_timeout_s, foreign_keys=False)
        try:
            with engine.execution_options(**{_WRITES: True}).begin() as connection:
                migrate(connection)
        except DBAPIError as error:
            reason = str(error.orig).strip().splitlines()[0]
            raise StoreError(f"BACKEND_DATABASE_URL: {reason}") from error
        except LookupError as error:
            raise StoreError(f"BACKEND_DATABASE_URL: {error.args[0]}") from None
        finally:
            engine.dispose()

    def read(
        self, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work(session, ...)`, which only reads, off the hub."""
        return self._host.call_blocking(
            _in_session, self._readers, lambda session: work(session, *args, **kwargs)
        )

    def write(
        self, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work(session, ...)` in one transaction, off the hub; committed when it returns."""
        return self._host.call_blocking(self._write, lambda session: work(session, *args, **kwargs))

    def _write(self, work: Callable[[Session], T]) -> T:
        with self.turn():
            return _in_session(self._writers, work)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open a writing transaction right here; never on a request's greenlet."""
        with self.turn(), self._writers.begin() as session:
            yield session

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for whoever writes in this process, to be woken when they have ended.

        SQLite has one writer at a time, and who waits for it looks again after 1 to 25 ms.
        Whoever comes after `_PATIENCE_S` goes on, and finds out how the database itself stands.
        """
        mine = self.engine.dialect.name == "sqlite" and self._turn.acquire(timeout=_PATIENCE_S)
        try:
            yield
        finally:
            if mine:
                self._turn.release()

    def open_writer(self) -> Connection:
        """Open a connection outside the pool, for one that writes often; the caller closes it.

        All its transactions write, and fail to begin with the driver's own error. On SQLite
        they do not wait for the disk: a commit survives a kill of this process, not a power cut.
        """
        connection = self.engine.execution_options(**{_WRITES: _JOURNAL}).connect()
        connection.detach()
        with closing(connection.connection.cursor()) as cursor:
            if self.engine.dialect.name == "sqlite":
                # inside of a transaction SQLite would ignore it
                cursor.execute("PRAGMA synchronous = NORMAL")
                # lets others, who write rarely, empty the log first: that waits for the disk
                cursor.execute("PRAGMA wal_autocheckpoint = 4000")
            else:
                cursor.execute(f"SET lock_timeout = {int(self._lock_timeout_s * 1000)}")
                connection.connection.commit()
        return connection

    def close(self) -> None:
        """Close all connections of the pool."""
        self.engine.dispose()


def _in_session(sessions: sessionmaker[Session], work: Callable[[Session], T]) -> T:
    try:
        with sessions.begin() as session:
            return work(session)
    except (OperationalError, PoolTimeout) as error:
        raise StoreUnavailable from error


def _resolve(settings: Settings) -> URL:
    if settings.database_url is None:
        return URL.create("sqlite", database=str(settings.home / "backend.db"))
    try:
        url = make_url(settings.database_url.get_secret_value())
    except ArgumentError:
        raise StoreError("BACKEND_DATABASE_URL: not a database URL") from None
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername == "sqlite" and url.database not in (None, "", ":memory:"):
        return url
    if url.drivername == "postgresql+psycopg":
        return url
    raise StoreError("BACKEND_DATABASE_URL: sqlite:///file or postgresql://user@host/name")


def _open(url: URL, lock_timeout_s: float, *, foreign_keys: bool = True) -> Engine:
    if url.drivername == "sqlite":
        return _open_sqlite(url, lock_timeout_s, foreign_keys)
    try:
        return create_engine(url, pool_pre_ping=True)
    except ImportError:
        raise StoreError(
            "BACKEND_DATABASE_URL: PostgreSQL needs the extra octobot-backend[scale]"
        ) from None


def _open_sqlite(url: URL, lock_timeout_s: float, foreign_keys: bool) -> Engine:
    _create_private(Path(str(url.database)))
    engine = create_engine(url)

    @event.listens_for(engine, "connect")
    def _configure(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        # sqlite3 would begin by itself, too late and without the write lock: _begin does it
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {int(lock_timeout_s * 1000)}")
        _log_ahead(cursor, lock_timeout_s)
        cursor.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # a writer that starts as a reader fails at once when another writer was quicker
        writes = connection.get_execution_options().get(_WRITES, False)
        if writes is _JOURNAL:  # SQLAlchemy's way takes longer than all else in a transaction
            connection.connection.cursor().execute("BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _log_ahead(cursor: DBAPICursor, lock_timeout_s: float) -> None:
    """Have a file write ahead: of several who first do that, SQLite refuses one without a wait."""
    patience_ends = time.monotonic() + lock_timeout_s
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() >= patience_ends:
                raise
            time.sleep(_AGAIN_S)
        else:
            return


def _create_private(path: Path) -> None:
    """Create the file for its owner alone; SQLite gives its side files the same mode."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None
