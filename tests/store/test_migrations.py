"""The migrations create the tables that the models describe."""

from __future__ import annotations

import re
import sqlite3
import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import IntegrityError

from backend.concurrency.host import ThreadHost
from backend.schemas.common import utc_now
from backend.settings.model import Settings
from backend.store import (
    Database,
    StoreError,
    account_models,  # noqa: F401 - adds its tables
    login_networks,
    refresh_tokens,
    second_factors,
    user_changes,
    users,
)
from backend.store.migrations import versions
from backend.store.models import Base
from backend.store.users import NewUser
from tests.databases import make_settings
from tests.store.old_schema import open_at


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


USER = """
    INSERT INTO users (id, username, password_hash, password_changed_at, role, created_at)
    VALUES (:id, :id, 'hash', :now, 'viewer', :now)
"""
FAMILY = "INSERT INTO refresh_families (id, user_id, created_at) VALUES (:id, :user, :now)"
TOKEN = """
    INSERT INTO refresh_tokens (digest, family_id, created_at, expires_at, address, user_agent)
    VALUES (:digest, :family, :now, :expires, :address, 'tests')
"""


def stored_time(database: Database, at: datetime) -> datetime | str:
    """Return a UTC time as SQL without a model's types takes it."""
    is_sqlite = database.engine.dialect.name == "sqlite"
    return f"{at:%Y-%m-%d %H:%M:%S.%f}" if is_sqlite else at


def test_open_sessions_tell_the_first_known_networks(empty_settings: Settings) -> None:
    database = open_at(empty_settings, "0011")
    at = utc_now()
    now, expires = (stored_time(database, at + timedelta(days=days)) for days in (0, 1))
    addresses = {"a": "203.0.113.9", "b": "2001:db8:1:2::77", "c": "2001:db8:1:2::78"}
    with database.engine.begin() as connection:
        connection.execute(text(USER), {"id": "bob", "now": now})
        for name, address in addresses.items():
            connection.execute(text(FAMILY), {"id": name, "user": "bob", "now": now})
            token = {"digest": name, "family": name, "now": now, "expires": expires}
            connection.execute(text(TOKEN), token | {"address": address})
    database.upgrade()
    assert database.read(login_networks.is_known, "bob", "203.0.113.9", at)
    assert database.read(login_networks.is_known, "bob", "2001:db8:1:2::/64", at)
    assert not database.read(login_networks.is_known, "bob", "203.0.113.8", at)
    assert not database.read(login_networks.is_known, "eve", "203.0.113.9", at)
    database.close()


def test_a_second_factor_from_before_passkeys_stays_in_force(empty_settings: Settings) -> None:
    database = open_at(empty_settings, "0013")
    now = stored_time(database, utc_now())
    seed = (
        "INSERT INTO second_factors (user_id, sealed, created_at, last_step, failures)"
        " VALUES (:id, 'sealed', :now, 7, 0)"
    )
    with database.engine.begin() as connection:
        for name in ("ann", "bob"):
            connection.execute(text(USER), {"id": name, "now": now})
            connection.execute(text(seed), {"id": name, "now": now})
        connection.execute(text("UPDATE users SET second_factor = true WHERE id = 'ann'"))
    database.upgrade()
    assert database.read(second_factors.has_app, "ann") is True
    assert database.read(second_factors.has_app, "bob") is False
    database.close()


def test_users_and_sessions_get_profiles_and_codes_and_are_kept(empty_settings: Settings) -> None:
    database = open_at(empty_settings, "0013")
    at = utc_now()
    now, expires = (stored_time(database, at + timedelta(days=days)) for days in (0, 1))
    names = [f"user{number}" for number in range(20)]
    with database.engine.begin() as connection:
        for name in names:
            connection.execute(text(USER), {"id": name, "now": now})
            connection.execute(text(FAMILY), {"id": name, "user": name, "now": now})
            token = {"digest": name, "family": name, "now": now, "expires": expires}
            connection.execute(text(TOKEN), token | {"address": "203.0.113.9"})
    database.upgrade()
    kept = database.read(users.list_by_name, 100)
    assert sorted(user.username for user in kept) == sorted(names)
    assert all(re.fullmatch("[a-hjkmnp-z2-9]{12}", user.referral_code) for user in kept)
    assert len({user.referral_code for user in kept}) == len(names)
    user = kept[0]
    assert (user.password_hash, user.password_changed_at, user.role) == ("hash", at, "viewer")
    assert (user.name, user.phone, user.invited_by) == (None, None, None)
    assert user.password_fits_admin is False
    for name in names:
        (family,) = database.read(refresh_tokens.list_open_families, name, at, 10)
        assert (family.id, family.address) == (name, "203.0.113.9")
    database.close()


def test_referral_codes_are_unique_and_who_invited_may_go(database: Database) -> None:
    inviter = database.write(users.insert, NewUser("ann", "hash", "viewer", utc_now()))
    invited = NewUser("bob", "hash", "viewer", utc_now(), invited_by=inviter.id)
    bob = database.write(users.insert, invited)
    take = text("UPDATE users SET referral_code = :code WHERE id = :id")
    with pytest.raises(IntegrityError), database.engine.begin() as connection:
        connection.execute(take, {"code": inviter.referral_code, "id": bob.id})
    database.write(user_changes.delete, inviter.id)
    kept = database.read(users.get, bob.id)
    assert kept is not None
    assert kept.invited_by is None


def test_the_migrations_are_one_chain() -> None:
    heads = [path.name[:4] for path in sorted(Path(versions.__path__[0]).glob("0*.py"))]
    assert heads == [f"{number:04}" for number in range(1, len(heads) + 1)]
