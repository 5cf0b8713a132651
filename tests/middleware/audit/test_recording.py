"""Entries are written by a thread of their own: in order, without waiting, within bounds."""

from __future__ import annotations

import sqlite3
import time

from structlog.testing import capture_logs

from backend.concurrency.host import ThreadHost
from backend.middleware.audit import MOST_WAITING, Audit
from backend.settings.model import Settings
from backend.store import Database, audit
from tests.store.test_types import ENTRY


def test_entries_of_one_writer_keep_their_order_and_survive_a_close(
    settings: Settings, database: Database
) -> None:
    recorder = Audit(database)
    for number in range(1200):
        recorder.record(ENTRY._replace(request_id=f"r{number}"))
    recorder.close()
    found = database.read(audit.list_entries, 2000)[::-1]
    assert [entry.request_id for entry in found] == [f"r{number}" for number in range(1200)]
    recorder.close()


def test_an_entry_that_cannot_be_stored_costs_no_other_and_is_told(
    settings: Settings, database: Database
) -> None:
    recorder = Audit(database)
    with capture_logs() as lines:
        for entry in (ENTRY, ENTRY._replace(status=object()), ENTRY._replace(request_id="r2")):
            recorder.record(entry)
        assert recorder.flush() is True
    events = [line["event"] for line in lines if line["log_level"] == "error"]
    assert events == ["audit entry not stored", "audit entries lost to the store"]
    recorder.record(ENTRY._replace(request_id="r3"))
    recorder.close()
    found = database.read(audit.list_entries, 10)[::-1]
    assert [entry.request_id for entry in found] == ["r1", "r2", "r3"]


def test_recording_does_not_wait_for_a_locked_database(
    settings: Settings, database: Database
) -> None:
    quick = Database(settings, ThreadHost(), lock_timeout_s=0.5)
    recorder = Audit(quick)
    blocker = sqlite3.connect(settings.home / "backend.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with capture_logs() as lines:
        started = time.perf_counter()
        recorder.record(ENTRY)
        while "audit waits for the database" not in [line["event"] for line in lines]:
            assert time.perf_counter() - started < 60
            assert recorder.flush(0.05) is False
        blocker.execute("ROLLBACK")
        assert recorder.flush() is True
    assert [entry.request_id for entry in database.read(audit.list_entries, 10)] == ["r1"]
    blocker.close()
    recorder.close()
    quick.close()


def test_a_database_that_stays_locked_costs_memory_only_up_to_a_bound_and_does_not_stop_the_end(
    settings: Settings, database: Database
) -> None:
    quick = Database(settings, ThreadHost(), lock_timeout_s=0.05)
    recorder = Audit(quick)
    blocker = sqlite3.connect(settings.home / "backend.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with capture_logs() as lines:
        for _ in range(MOST_WAITING + 1000):
            recorder.record(ENTRY)
        recorder.close()
    events = [line["event"] for line in lines]
    assert events.count("audit") == MOST_WAITING + 1000
    assert events.count("audit entry not stored: too many wait") >= 500
    blocker.close()
    quick.close()
