"""The check of a SQLite file: damage found at once, in the background, or by a query."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import SQLAlchemyError

from backend.concurrency.host import ThreadHost
from backend.errors import StoreUnavailable
from backend.ports.journal import Batch, JournalUnavailable, JournalUnreadable
from backend.settings.model import Settings
from backend.store import Database, DatabaseDamaged, Journal, StoreError, audit
from backend.store.integrity import quick_check
from tests.databases import make_settings
from tests.store.damage import PAGE, flip_bytes, overwrite_page
from tests.store.journal.samples import order, trade

SEEDS = 150


@pytest.fixture(scope="module")
def filled_file(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Path:
    home = tmp_path_factory.mktemp("filled")
    shutil.copy(migrated_file, home)
    database = Database(make_settings(home), ThreadHost())
    journal = Journal(database)
    journal.open_account("sandbox:paper", {})
    rows = range(1, 300)
    journal.record(Batch(orders=[order(n) for n in rows], trades=[trade(n) for n in rows]))
    journal.close()
    database.close()
    return home / "backend.db"


@pytest.fixture
def settings(filled_file: Path, tmp_path: Path) -> Settings:
    shutil.copy(filled_file, tmp_path)
    return make_settings(tmp_path)


@pytest.fixture
def opened(settings: Settings) -> Iterator[Database]:
    database = Database(settings, ThreadHost())
    yield database
    database.close()


def test_a_start_on_flipped_bytes_reads_all_or_raises_errors_of_the_store(
    filled_file: Path, settings: Settings
) -> None:
    outcomes = {"refused": 0, "opened": 0}
    file = settings.home / "backend.db"
    for seed in range(SEEDS):
        shutil.copy(filled_file, file)
        flip_bytes(file, seed, pages=2, bytes_each=4)
        database = Database(settings, ThreadHost())
        journal = Journal(database)
        try:
            database.check_and_upgrade()
            journal.newest_orders(1000)
            journal.newest_trades(1000)
        except StoreError as error:
            assert "\n" not in str(error)
            outcomes["refused"] += 1
        except JournalUnavailable as error:
            assert str(database.unusable(error)).startswith(f"{file} is damaged (")
            outcomes["refused"] += 1
        else:
            assert quick_check(file) is None
            outcomes["opened"] += 1
        finally:
            journal.close()
            database.close()
            for side in ("-wal", "-shm"):
                file.with_name(file.name + side).unlink(missing_ok=True)
    assert min(outcomes.values()) > 0, outcomes


@pytest.mark.parametrize("page", [0, 1, 5])
def test_a_lost_page_stops_the_start_and_names_the_file(opened: Database, page: int) -> None:
    assert opened.file is not None
    overwrite_page(opened.file, page)
    with pytest.raises(DatabaseDamaged) as refused:
        opened.check_and_upgrade()
    assert str(refused.value).startswith(f"{opened.file} is damaged (")
    assert "octobot-backend restore" in str(refused.value)


def test_a_file_of_something_else_is_damaged(opened: Database) -> None:
    assert opened.file is not None
    opened.file.write_bytes(b"this is no database" * 1000)
    with pytest.raises(DatabaseDamaged, match="file is not a database"):
        opened.check_and_upgrade()


def test_a_truncated_file_is_damaged(opened: Database) -> None:
    assert opened.file is not None
    with opened.file.open("r+b") as file:
        file.truncate(opened.file.stat().st_size // PAGE // 2 * PAGE)
    with pytest.raises(DatabaseDamaged):
        opened.check_and_upgrade()


def test_a_locked_file_is_not_called_damaged(opened: Database) -> None:
    refused = opened.unusable(StoreUnavailable())
    assert not isinstance(refused, DatabaseDamaged)


def test_a_large_file_is_checked_in_the_background(
    opened: Database, caplog: pytest.LogCaptureFixture
) -> None:
    assert opened.file is not None
    overwrite_page(opened.file, opened.file.stat().st_size // PAGE - 1)
    with caplog.at_level(logging.ERROR, "backend.store.integrity"):
        opened.integrity.begin_check(inline_bytes=0)
        assert opened.integrity.wait_until_checked(30)
    assert opened.integrity.damage is not None
    assert [record.message for record in caplog.records] == [opened.integrity.damage]
    assert Journal(opened).damage == opened.integrity.damage


def test_a_pending_migration_waits_for_the_check_of_a_large_file(opened: Database) -> None:
    assert opened.file is not None
    with opened.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    opened.engine.dispose()
    overwrite_page(opened.file, opened.file.stat().st_size // PAGE - 1)
    with pytest.raises(StoreError) as refused:
        opened.check_and_upgrade(inline_bytes=0)
    assert str(refused.value) == opened.integrity.damage


def test_without_a_migration_a_large_file_is_opened_before_its_check_ends(
    opened: Database,
) -> None:
    opened.check_and_upgrade(inline_bytes=0)
    opened.integrity.require_intact()
    assert opened.integrity.damage is None


def test_an_intact_file_passes_the_check_in_the_background(opened: Database) -> None:
    opened.integrity.begin_check(inline_bytes=0)
    assert opened.integrity.wait_until_checked(30)
    assert (opened.integrity.checked, opened.integrity.damage) == (True, None)


def test_a_check_in_the_background_is_broken_off_by_closing(opened: Database) -> None:
    opened.integrity.begin_check(inline_bytes=0)
    opened.close()
    assert opened.integrity.wait_until_checked(30)
    assert opened.integrity.damage is None


def test_damage_that_a_query_meets_is_kept_and_is_a_503(opened: Database) -> None:
    assert opened.file is not None
    for page in range(1, opened.file.stat().st_size // PAGE):
        overwrite_page(opened.file, page)
    with pytest.raises(StoreUnavailable):
        opened.read(audit.list_entries, 10)
    assert "is damaged (database disk image is malformed)" in str(opened.integrity.damage)


def test_a_row_that_cannot_be_decoded_is_named_at_the_start(opened: Database) -> None:
    with opened.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE orders SET body = '{' WHERE place = 7")
    with pytest.raises(JournalUnreadable) as refused:
        Journal(opened).newest_orders(1000)
    line = str(opened.unusable(refused.value))
    assert line.startswith(f"{opened.file} is damaged (a row cannot be read: ")


def test_postgresql_checks_itself(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, database_url="postgresql://nobody@/none")
    database = Database(settings, ThreadHost())
    database.integrity.begin_check()
    assert (database.file, database.integrity.checked, database.integrity.damage) == (
        None,
        True,
        None,
    )
    assert str(database.unusable(SQLAlchemyError("gone"))) == "BACKEND_DATABASE_URL: gone"
    database.close()
