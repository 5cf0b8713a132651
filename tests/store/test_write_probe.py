"""Write probe of the journal: it fails while the database cannot be written."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from backend.concurrency.host import ThreadHost
from backend.ports.journal import JournalUnavailable
from backend.settings.model import Settings
from backend.store import Database, Journal
from backend.store.journal.write_probe import WriteProbe
from tests.store.database_locks import locked, make_read_only
from tests.waiting import wait_until


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = Database(settings, ThreadHost(), lock_timeout_s=0.2)
    yield database
    database.close()


@pytest.fixture
def journal(database: Database) -> Iterator[Journal]:
    journal = Journal(database)
    yield journal
    journal.close()


def test_it_fails_while_another_process_locks_the_database(
    journal: Journal, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    journal.begin_write_probe().result(30)
    with caplog.at_level(logging.WARNING, "backend.store.journal.write_probe"):
        with locked(settings):
            assert wait_until(lambda: _fails(journal))
        assert wait_until(lambda: not _fails(journal))
    first, last = [record.message for record in caplog.records]
    assert first.startswith("the database cannot be written: ")
    assert last == "the database can be written again"


def test_it_fails_on_a_database_that_takes_no_writes(database: Database) -> None:
    make_read_only(database)
    journal = Journal(database)
    with pytest.raises(JournalUnavailable, match=r"read.?only"):
        journal.begin_write_probe().result(30)
    journal.close()


def test_what_asks_meanwhile_and_right_after_shares_one_write() -> None:
    begun, released = threading.Event(), threading.Event()
    writes = []

    def write() -> None:
        writes.append(1)
        begun.set()
        released.wait(30)

    probe = WriteProbe(write)
    first = probe.begin()
    assert begun.wait(30)
    assert probe.begin() is first
    assert not first.done()
    released.set()
    first.result(30)
    assert probe.begin() is first
    assert wait_until(lambda: probe.begin() is not first)
    assert len(writes) == 2


def _fails(journal: Journal) -> bool:
    return isinstance(journal.begin_write_probe().exception(30), JournalUnavailable)
