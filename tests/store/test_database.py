"""Database: its URL, opening, and errors."""

from __future__ import annotations

import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from backend.concurrency.host import ThreadHost
from backend.errors import StoreUnavailable
from backend.schemas.common import utc_now
from backend.settings.model import Settings
from backend.store import Database, StoreError, users
from backend.store.users import NewUser
from tests.databases import Cluster, make_settings


def add_user(session: Session, username: str) -> str:
    return users.insert(session, NewUser(username, "hash", "viewer", utc_now())).id


def add_user_and_fail(session: Session, username: str) -> None:
    add_user(session, username)
    raise LookupError(username)


def test_without_a_url_it_is_a_private_file_in_home(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    database = Database(make_settings(home), ThreadHost())
    database.upgrade()
    assert {path.name for path in home.iterdir()} >= {"backend.db"}
    assert {path.stat().st_mode & 0o777 for path in home.iterdir()} == {0o600}
    assert home.stat().st_mode & 0o777 == 0o700
    database.close()


def test_a_sqlite_url_names_another_file(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, database_url=f"sqlite:///{tmp_path}/other.db")
    database = Database(settings, ThreadHost())
    database.upgrade()
    database.close()
    assert (tmp_path / "other.db").exists()
    assert not (tmp_path / "backend.db").exists()


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "mysql://user@host/name",
        "postgresql+asyncpg://host/name",
        "no url",
    ],
)
def test_other_databases_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(StoreError, match=r"^BACKEND_DATABASE_URL: "):
        Database(make_settings(tmp_path, database_url=url), ThreadHost())


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_spelling_of_postgresql_uses_psycopg_3(tmp_path: Path, scheme: str) -> None:
    settings = make_settings(tmp_path, database_url=f"{scheme}://user:pass@localhost/name")
    database = Database(settings, ThreadHost())
    assert database.engine.url.drivername == "postgresql+psycopg"
    database.close()


def test_an_unreachable_server_stops_the_start_without_telling_its_password(
    tmp_path: Path,
) -> None:
    url = f"postgresql://user:hidden-password@/name?host={tmp_path}"
    database = Database(make_settings(tmp_path, database_url=url), ThreadHost())
    with pytest.raises(StoreError, match=r"^BACKEND_DATABASE_URL: ") as refused:
        database.upgrade()
    assert "hidden-password" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_sqlite_is_opened_for_concurrent_use(tmp_path: Path) -> None:
    database = Database(make_settings(tmp_path), ThreadHost(), lock_timeout_s=1.5)
    with database.engine.connect() as connection:
        pragmas = ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas]
    assert found == ["wal", 1, 1500, 2]
    database.close()


def test_a_write_is_kept_and_a_failed_one_is_not(database: Database) -> None:
    kept = database.write(add_user, "kept")
    with pytest.raises(LookupError):
        database.write(add_user_and_fail, "lost")
    assert database.read(users.get, kept) is not None
    assert database.read(users.find_by_name, "lost") is None


def test_a_transaction_for_worker_threads_commits_too(database: Database) -> None:
    with database.transaction() as session:
        add_user(session, "worker")
    assert database.read(users.find_by_name, "worker") is not None


def test_a_locked_database_is_a_503(tmp_path: Path) -> None:
    database = Database(make_settings(tmp_path), ThreadHost(), lock_timeout_s=0.05)
    database.upgrade()
    blocker = sqlite3.connect(tmp_path / "backend.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable) as refused:
        database.write(add_user, "late")
    assert (refused.value.status, refused.value.retry_after_s) == (503, 1)
    assert database.read(users.exists) is False
    blocker.execute("ROLLBACK")
    blocker.close()
    assert database.write(add_user, "late")
    database.close()


def test_who_writes_in_one_process_never_finds_the_database_locked_by_another(
    migrated_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.store.database._LOCK_WAIT_S", 30)  # the disk may be slow
    shutil.copy(migrated_file, tmp_path)
    database = Database(make_settings(tmp_path), ThreadHost(), lock_timeout_s=0)
    names = [f"user{number}" for number in range(40)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: database.write(add_user, name), names))
    assert [user.username for user in database.read(users.list_by_name, 100)] == sorted(names)
    database.close()


def test_a_writer_that_does_not_come_to_its_end_does_not_keep_others_from_the_database(
    database: Database,
) -> None:
    with database.write_lock():
        database.write(add_user, "ada")
    assert database.read(users.find_by_name, "ada") is not None


def test_a_lost_connection_is_replaced(tmp_path: Path, cluster: Cluster) -> None:
    settings = make_settings(tmp_path, database_url=cluster.create_database())
    database = Database(settings, ThreadHost())
    database.upgrade()
    database.write(add_user, "before")
    killer = Database(settings, ThreadHost())
    with killer.engine.begin() as connection:
        query = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid != pg_backend_pid() AND datname = current_database()"
        )
        assert connection.execute(text(query)).scalars().all() == [True]
    killer.close()
    assert database.read(users.find_by_name, "before") is not None
    database.close()


def test_a_name_is_taken_whatever_its_case(database: Database, settings: Settings) -> None:
    database.write(add_user, "bob")
    with pytest.raises(Exception, match=r"(?i)username"):
        database.write(add_user, "Bob")
    with pytest.raises(Exception, match=r"(?i)unique"):
        database.write(add_user, "bob")
