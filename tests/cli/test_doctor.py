"""`octobot-backend doctor`: one line for each check, and exit code 1 on problems."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from backend.cli.main import main
from backend.concurrency.host import ThreadHost
from backend.schemas.common import utc_now
from backend.store import Database, HomeLock, audit
from backend.store.audit import NewEntry
from tests.databases import make_settings
from tests.store.damage import PAGE, overwrite_page

SUBJECTS = ["settings", "versions", "open files", "server", "permissions", "disk", "tentacles"]


@pytest.fixture
def home(tmp_path: Path, migrated_file: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    shutil.copy(migrated_file, home)
    (home / "backend.db").chmod(0o600)
    return home


def doctor(home: Path, **variables: str) -> Result:
    return CliRunner().invoke(main, ["doctor"], env={"BACKEND_HOME": str(home), **variables})


def lines(result: Result) -> dict[str, tuple[str, str]]:
    """Return level and text by subject."""
    found = {}
    for line in result.output.splitlines():
        subject, _, text = line[9:].partition(": ")
        found[subject] = (line[:9].strip(), text)
    return found


def append_entry(home: Path, later: timedelta) -> None:
    database = Database(make_settings(home), ThreadHost())
    values = {"user_id": None, "username": None, "address": "", "method": "GET", "path": "/"}
    ended = {"status": 200, "outcome": "ok", "request_id": "-", "action": "x"}
    entry = NewEntry(occurred_at=utc_now() + later, **values, **ended)
    with database.transaction() as session:
        audit.append(session, [entry])
    database.close()


def execute(home: Path, statement: str) -> None:
    with closing(sqlite3.connect(home / "backend.db")) as connection:
        connection.execute(statement)
        connection.commit()


def test_a_sound_home_has_no_problem(home: Path) -> None:
    append_entry(home, timedelta(0))
    before = {path.name for path in home.iterdir()}
    result = doctor(home)
    found = lines(result)
    assert result.exit_code == 0, result.output
    assert list(found) == [*SUBJECTS, "database", "clock", "audit"]
    assert "problem" not in {level for level, _ in found.values()}
    assert found["audit"] == ("ok", "1 entries intact")
    assert {path.name for path in home.iterdir()} == before


def test_nothing_is_made_where_nothing_is(tmp_path: Path) -> None:
    result = doctor(tmp_path / "none")
    assert (result.exit_code, (tmp_path / "none").exists()) == (0, False)
    assert lines(result)["database"][0] == "ok"


def test_wrong_settings_are_a_problem(home: Path) -> None:
    result = doctor(home, BACKEND_PORT="seventy")
    assert (result.exit_code, lines(result)["settings"][0]) == (1, "problem")


def test_a_damaged_database_is_a_problem_that_names_the_file(home: Path) -> None:
    file = home / "backend.db"
    overwrite_page(file, file.stat().st_size // PAGE - 1)
    result = doctor(home)
    level, text = lines(result)["database"]
    assert (result.exit_code, level) == (1, "problem")
    assert text.startswith(f"{file} is damaged (")


def test_a_database_of_a_newer_version_is_a_problem(home: Path) -> None:
    execute(home, "UPDATE alembic_version SET version_num = '9999'")
    result = doctor(home)
    assert (result.exit_code, lines(result)["database"][0]) == (1, "problem")


def test_a_key_that_others_can_read_is_a_problem(home: Path) -> None:
    (home / "secret.key").write_text("x")
    (home / "secret.key").chmod(0o644)
    result = doctor(home)
    assert (result.exit_code, lines(result)["permissions"]) == (
        1,
        ("problem", f"others can use {home}/secret.key: chmod 600 {home}/secret.key"),
    )


def test_a_clock_before_the_newest_entry_is_a_problem(home: Path) -> None:
    append_entry(home, timedelta(hours=2))
    result = doctor(home)
    assert (result.exit_code, lines(result)["clock"][0]) == (1, "problem")


def test_a_broken_audit_is_a_problem(home: Path) -> None:
    append_entry(home, timedelta(0))
    execute(home, "DROP TRIGGER audit_entries_no_update")
    execute(home, "UPDATE audit_entries SET path = '/other'")
    result = doctor(home)
    assert (result.exit_code, lines(result)["audit"][0]) == (1, "problem")


def test_a_server_on_the_home_is_named(home: Path) -> None:
    with closing(HomeLock(home)):
        found = lines(doctor(home))
    assert found["server"][1].endswith("runs on this home")


def test_a_tentacle_that_does_not_compile_is_a_problem(home: Path) -> None:
    file = home / "octobot" / "tentacles" / "Trading" / "mode.py"
    file.parent.mkdir(parents=True)
    file.write_text("def broken(:\n")
    result = doctor(home)
    level, text = lines(result)["tentacles"]
    assert (result.exit_code, level) == (1, "problem")
    assert str(file) in text


@pytest.mark.every_line
def test_old_python_is_a_warning(home: Path) -> None:
    level = lines(doctor(home))["versions"][0]
    assert level == ("warning" if sys.version_info < (3, 12) else "ok")
