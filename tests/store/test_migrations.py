"""The migrations create the tables that the models describe."""

from __future__ import annotations

import sqlite3
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, event, text

from backend.concurrency.host import ThreadHost
from backend.schemas.common import utc_now
from backend.settings.model import Settings
from backend.store import Database, StoreError, login_networks, refresh_tokens, users
from backend.store.migrations import versions
from backend.store.models import Base
from backend.store.refresh_tokens import NewToken
from backend.store.users import NewUser
from tests.databases import make_settings


def test_models_and_migrations_agree(database: Database) -> None:
    options = {"compare_type": True, "compare_server_default": True}
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_a_second_start_changes_nothing(settings: Settings, database: Database) -> None:
    database.write(users.insert, NewUser("bob", "hash", "viewer", utc_now()))
    statements: list[str] = []

    def note(_connection, _cursor, statement: str, *_rest) -> None:
        statements.append(statement.split()[0].upper())

    second = Database(settings, ThreadHost())
    event.listen(Engine, "before_cursor_execute", note)
    try:
        second.upgrade()
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert statements
    assert set(statements) <= {"BEGIN", "SELECT", "PRAGMA", "SHOW"}
    assert second.read(users.find_by_name, "bob") is not None
    second.close()


def test_starters_that_race_leave_one_set_of_tables(empty_settings: Settings) -> None:
    databases = [Database(empty_settings, ThreadHost()) for _ in range(4)]
    barrier = threading.Barrier(len(databases))
    failures: list[BaseException] = []

    def start(database: Database) -> None:
        barrier.wait()
        try:
            database.upgrade()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=start, args=[database]) for database in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with databases[0].engine.connect() as connection:
        versions = connection.execute(text("SELECT version_num FROM alembic_version")).scalars()
        assert len(versions.all()) == 1
    for database in databases:
        database.close()


def test_a_database_of_a_newer_version_is_refused(settings: Settings, database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="written by a newer version"):
        database.upgrade()


def test_a_file_that_is_no_database_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "backend.db").write_text("not a database, whatever its name says\n" * 100)
    database = Database(make_settings(tmp_path), ThreadHost())
    with pytest.raises(
        StoreError,
        match=r"^\S+backend\.db is damaged \(file is not a database\): restore a backup, [^\n]+$",
    ):
        database.upgrade()
    database.close()


def test_a_failed_migration_leaves_nothing_behind(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    with sqlite3.connect(tmp_path / "backend.db") as connection:
        connection.execute("CREATE TABLE audit_entries (id INTEGER)")
    connection.close()
    database = Database(settings, ThreadHost())
    with pytest.raises(StoreError, match="audit_entries already exists"):
        database.upgrade()
    with database.engine.connect() as opened:
        tables = opened.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'"))
        assert tables.scalars().all() == ["audit_entries"]
    database.close()


def test_open_sessions_tell_the_first_known_networks(database: Database) -> None:
    now = utc_now()
    user = database.write(users.insert, NewUser("bob", "hash", "viewer", now))
    addresses = {"a": "203.0.113.9", "b": "2001:db8:1:2::77", "c": "2001:db8:1:2::78"}
    for digest, address in addresses.items():
        token = NewToken(digest, now, now + timedelta(days=1), address, "tests")
        database.write(refresh_tokens.insert_family, user.id, token)
    with database.engine.begin() as connection:
        connection.execute(text("DROP TABLE login_networks"))
        for column in ("network", "foreign_tries"):
            connection.execute(text(f"ALTER TABLE mailed_codes DROP COLUMN {column}"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0011'"))
    database.upgrade()
    assert database.read(login_networks.is_known, "bob", "203.0.113.9", now)
    assert database.read(login_networks.is_known, "bob", "2001:db8:1:2::/64", now)
    assert not database.read(login_networks.is_known, "bob", "203.0.113.8", now)
    assert not database.read(login_networks.is_known, "eve", "203.0.113.9", now)


def test_the_migrations_are_one_chain() -> None:
    heads = [path.name[:4] for path in sorted(Path(versions.__path__[0]).glob("0*.py"))]
    assert heads == [f"{number:04}" for number in range(1, len(heads) + 1)]
