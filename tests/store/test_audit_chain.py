"""The stored audit log: newest first, append-only, tampering detected."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from click.testing import CliRunner
from sqlalchemy import column, delete, insert, table, text, update
from sqlalchemy.exc import DBAPIError

from backend.cli.main import main
from backend.concurrency.host import ThreadHost
from backend.store import Database, audit
from backend.store.models import AuditEntry
from backend.store.types import UtcDateTime
from tests.databases import make_settings
from tests.store.test_types import ENTRY


def numbered(first: int, last: int) -> list[audit.NewEntry]:
    return [ENTRY._replace(request_id=f"r{number}") for number in range(first, last + 1)]


def tamper(database: Database, *changes: str) -> None:
    """Do what a thief with the database's own password can do."""
    sqlite = database.engine.dialect.name == "sqlite"
    unguard = (
        ["DROP TRIGGER audit_entries_no_update", "DROP TRIGGER audit_entries_no_delete"]
        if sqlite
        else ["ALTER TABLE audit_entries DISABLE TRIGGER audit_entries_append_only"]
    )

    def work(session) -> None:
        for statement in [*unguard, *changes]:
            session.execute(text(statement))

    database.write(work)


def test_entries_come_newest_first_and_in_pages(database: Database) -> None:
    database.write(audit.append, numbered(0, 4))
    first = database.read(audit.list_entries, 3)
    rest = database.read(audit.list_entries, 3, first[-1].id)
    assert [entry.request_id for entry in first] == ["r4", "r3", "r2"]
    assert [entry.request_id for entry in rest] == ["r1", "r0"]


@pytest.mark.parametrize("change", [update(AuditEntry).values(status=200), delete(AuditEntry)])
def test_an_entry_can_neither_be_changed_nor_deleted(database: Database, change) -> None:
    database.write(audit.append, [ENTRY])
    with pytest.raises(DBAPIError, match="append-only"):
        database.write(lambda session: session.execute(change))
    assert [entry.status for entry in database.read(audit.list_entries, 10)] == [201]


def test_a_chain_that_nobody_touched_is_intact(database: Database) -> None:
    assert database.read(audit.verify) == (0, None, False, "0" * 64)
    database.write(audit.append, numbered(1, 3))
    odd = {"path": "a\x00b\nc" + "x" * 400, "username": "\ud800ü", "user_id": None, "change": "{}"}
    database.write(audit.append, [ENTRY._replace(**odd)])
    newest = database.read(audit.list_entries, 1)[0]
    assert database.read(audit.verify) == (4, None, False, newest.hash)


@pytest.mark.parametrize(
    ("change", "sound", "first_bad"),
    [
        ("UPDATE audit_entries SET username = 'mallory' WHERE id = 2", 1, "r2"),
        ("UPDATE audit_entries SET change = '{}' WHERE id = 3", 2, "r3"),
        (
            "UPDATE audit_entries SET occurred_at = '2026-01-20 10:00:00.123457' WHERE id = 1",
            0,
            "r1",
        ),
        ("UPDATE audit_entries SET hash = 'none' WHERE id = 4", 3, "r4"),
        ("DELETE FROM audit_entries WHERE id = 2", 1, "r3"),
        ("DELETE FROM audit_entries WHERE id = 1", 0, "r2"),
        ("UPDATE audit_entries SET id = 9 WHERE id = 2", 1, "r3"),
    ],
)
def test_a_change_is_found_and_its_place_named(
    database: Database, change: str, sound: int, first_bad: str
) -> None:
    database.write(audit.append, numbered(1, 4))
    tamper(database, change)
    verdict = database.read(audit.verify)
    assert verdict.bad is not None
    assert (verdict.sound, verdict.bad.request_id, verdict.intact) == (sound, first_bad, False)


def test_entries_cut_off_at_the_end_are_missed(database: Database) -> None:
    database.write(audit.append, numbered(1, 4))
    tamper(database, "DELETE FROM audit_entries WHERE id > 2")
    verdict = database.read(audit.verify)
    assert (verdict.sound, verdict.bad, verdict.missing, verdict.intact) == (2, None, True, False)


def test_many_who_append_at_once_make_one_chain(settings, database: Database) -> None:
    databases = [Database(settings, ThreadHost(), lock_timeout_s=30) for _ in range(4)]

    def append(numbered_from: int) -> None:
        mine = databases[numbered_from // 100]
        for number in range(numbered_from, numbered_from + 10):
            mine.write(audit.append, numbered(number, number))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(append, (0, 100, 200, 300)))
    verdict = database.read(audit.verify)
    assert (verdict.sound, verdict.intact) == (40, True)
    for each in databases:
        each.close()


def test_entries_from_before_there_was_a_chain_are_linked(empty_settings) -> None:
    database = Database(empty_settings, ThreadHost())
    older = {key: value for key, value in ENTRY._asdict().items() if key != "change"}
    columns = [column(name) for name in older if name != "occurred_at"]
    before = table("audit_entries", column("occurred_at", UtcDateTime()), *columns)
    config = Config()
    config.set_main_option("script_location", "backend.store:migrations")
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        connection.execute(insert(before), [older | {"request_id": f"r{n}"} for n in (1, 2)])
    database.upgrade()
    database.write(audit.append, numbered(3, 3))
    verdict = database.read(audit.verify)
    assert (verdict.sound, verdict.intact) == (3, True)
    with pytest.raises(DBAPIError, match="append-only"):
        database.write(lambda session: session.execute(update(AuditEntry).values(status=1)))
    database.close()


def test_the_command_tells_the_first_entry_that_is_not_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BACKEND_HOME", str(tmp_path))
    with closing(Database(make_settings(tmp_path), ThreadHost())) as database:
        database.upgrade()
        database.write(audit.append, numbered(1, 3))
        newest = database.read(audit.list_entries, 1)[0].hash
        sound = CliRunner().invoke(main, ["audit", "verify"])
        assert (sound.exit_code, sound.output) == (0, f"3 entries intact, up to hash {newest}\n")
        tamper(database, "UPDATE audit_entries SET address = '::1' WHERE id = 2")
        broken = CliRunner().invoke(main, ["audit", "verify"])
        assert broken.exit_code == 1
        assert broken.output.startswith(
            "entry 2 (2026-01-20T10:00:00.123Z, orders.create_order) is not as written,"
        )
        tamper_more = "DELETE FROM audit_entries WHERE id > 1"
        database.write(lambda session: session.execute(text(tamper_more)))
        cut = CliRunner().invoke(main, ["audit", "verify"])
        assert (cut.exit_code, cut.output.splitlines()[0]) == (
            1,
            "entries were removed from the end",
        )
