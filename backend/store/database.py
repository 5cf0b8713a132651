"""Database: the SQLAlchemy engine, and sessions for reading and writing."""

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
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor, ExceptionContext
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

from backend.concurrency.host import Host
from backend.errors import StoreUnavailable
from backend.settings.model import Settings
from backend.store.integrity import INLINE_BYTES, Integrity, StoreError, is_damage, unusable
from backend.store.migrate import known_revisions, migrate, revision_of

P = ParamSpec("P")
T = TypeVar("T")

_LOCK_WAIT_S = 0.2
_RETRY_S = 0.01
_WRITE_OPTION = "backend_writes"
_JOURNAL = "journal"


class Database:
    """One SQLite file or one PostgreSQL database.

    `read` and `write` are for requests: they run in the host's thread pool.
    `transaction` is for threads that may block.
    """

    def __init__(self, settings: Settings, host: Host, *, lock_timeout_s: float = 5) -> None:
        self._host = host
        self._url = _resolve(settings)
        self._lock_timeout_s = lock_timeout_s
        self._write_lock = threading.Lock()
        self.file = _file_of(self._url)
        self.integrity = Integrity(self.file)
        self.engine = _open(self._url, lock_timeout_s)
        event.listen(self.engine, "handle_error", self._note_damage)
        self._readers = sessionmaker(self.engine, expire_on_commit=False)
        self._writers = sessionmaker(
            self.engine.execution_options(**{_WRITE_OPTION: True}), expire_on_commit=False
        )

    def upgrade(self) -> None:
        """Migrate the tables to this version.

        Raises `StoreError` when the database cannot be opened or is from a newer version.
        """
        # rebuilding a table with foreign keys on would delete the rows that refer to it
        engine = _open(self._url, self._lock_timeout_s, foreign_keys=False)
        try:
            with engine.execution_options(**{_WRITE_OPTION: True}).begin() as connection:
                migrate(connection)
        except (SQLAlchemyError, UnicodeDecodeError) as error:
            raise self.unusable(error) from error
        except LookupError as error:
            raise StoreError(f"BACKEND_DATABASE_URL: {error.args[0]}") from None
        finally:
            engine.dispose()

    def check_and_upgrade(self, inline_bytes: int = INLINE_BYTES) -> None:
        """Check a SQLite file, then migrate it.

        A file of more than `inline_bytes` is checked in the background, unless a migration is
        pending: that waits for the check. Raises `StoreError` for a file that a backup must
        replace.
        """
        in_background = self.integrity.begin_check(inline_bytes)
        if in_background and self._has_pending_migration():
            self.integrity.require_intact()
        self.upgrade()

    def _has_pending_migration(self) -> bool:
        try:
            with self.engine.connect() as connection:
                return revision_of(connection) != known_revisions()[0]
        except (SQLAlchemyError, UnicodeDecodeError) as error:
            raise self.unusable(error) from error

    def unusable(self, error: BaseException) -> StoreError:
        """Return the error that stops a start, for one met in reading or migrating."""
        return unusable(self.file, error)

    def read(
        self, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work(session, ...)`, which only reads, in the thread pool."""
        return self._host.call_blocking(
            _in_session, self._readers, lambda session: work(session, *args, **kwargs)
        )

    def write(
        self, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work(session, ...)` in the thread pool, in a transaction committed on return."""
        return self._host.call_blocking(self._write, lambda session: work(session, *args, **kwargs))

    def _write(self, work: Callable[[Session], T]) -> T:
        with self.write_lock():
            return _in_session(self._writers, work)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open a writing transaction in the calling thread; never on a request's greenlet."""
        with self.write_lock(), self._writers.begin() as session:
            yield session

    @contextmanager
    def write_lock(self) -> Iterator[None]:
        """Queue the writers of this process, so that a waiting one is woken at once.

        SQLite has one writer at a time, and its own wait polls every 1 to 25 ms. After
        `_LOCK_WAIT_S` a writer proceeds without the lock, and waits in SQLite itself.
        """
        acquired = self.engine.dialect.name == "sqlite" and self._write_lock.acquire(
            timeout=_LOCK_WAIT_S
        )
        try:
            yield
        finally:
            if acquired:
                self._write_lock.release()

    def open_writer(self) -> Connection:
        """Open a connection outside the pool, for frequent writes; the caller closes it.

        All its transactions write, and raise the driver's own error if they cannot begin. On
        SQLite they do not sync: a commit survives a kill of this process, not a power cut.
        """
        connection = self.engine.execution_options(**{_WRITE_OPTION: _JOURNAL}).connect()
        connection.detach()
        with closing(connection.connection.cursor()) as cursor:
            if self.engine.dialect.name == "sqlite":
                # inside of a transaction SQLite would ignore it
                cursor.execute("PRAGMA synchronous = NORMAL")
                # leaves checkpoints, which wait for the disk, to connections that write rarely
                cursor.execute("PRAGMA wal_autocheckpoint = 4000")
            else:
                cursor.execute(f"SET lock_timeout = {int(self._lock_timeout_s * 1000)}")
                connection.connection.commit()
        return connection

    def close(self) -> None:
        """Close all connections of the pool, and break off a check."""
        self.integrity.close()
        self.engine.dispose()

    def _note_damage(self, context: ExceptionContext) -> None:
        self.integrity.note(context.original_exception)


def _in_session(sessions: sessionmaker[Session], work: Callable[[Session], T]) -> T:
    try:
        with sessions.begin() as session:
            return work(session)
    except (OperationalError, PoolTimeout) as error:
        raise StoreUnavailable from error
    except DatabaseError as error:
        if is_damage(error.orig):
            raise StoreUnavailable from error
        raise


def database_file(settings: Settings) -> Path | None:
    """Return the SQLite file of the settings, None for PostgreSQL; raises `StoreError`."""
    return _file_of(_resolve(settings))


def _file_of(url: URL) -> Path | None:
    return Path(str(url.database)).absolute() if url.drivername == "sqlite" else None


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
        _enable_wal(cursor, lock_timeout_s)
        cursor.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # a writer that starts as a reader fails at once when another writer was first
        writes = connection.get_execution_options().get(_WRITE_OPTION, False)
        if writes is _JOURNAL:  # SQLAlchemy's way takes longer than all else in a transaction
            connection.connection.cursor().execute("BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _enable_wal(cursor: DBAPICursor, lock_timeout_s: float) -> None:
    """Enable write-ahead logging; retried, as SQLite refuses concurrent first attempts at once."""
    deadline = time.monotonic() + lock_timeout_s
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_RETRY_S)
        else:
            return


def _create_private(path: Path) -> None:
    """Create the file with mode 600; SQLite gives its side files the same mode."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None
