"""Failures of the store raise `JournalUnavailable` and change nothing."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text

from backend.concurrency.host import ThreadHost
from backend.ports.journal import Batch, JournalUnavailable
from backend.schemas.common import utc_now
from backend.settings.model import Settings
from backend.store import Database, Journal
from backend.store.journal.writer import Writer
from tests.databases import make_settings
from tests.store.journal.database_faults import connection_lost, contents
from tests.store.journal.samples import ACCOUNT, event, intent, order, trade

CHANGES: list[Callable[[Journal], object]] = [
    lambda journal: journal.open_account("another", {"USDT": Decimal(1)}),
    lambda journal: journal.set_baseline(ACCOUNT, Decimal(5)),
    lambda journal: journal.insert_intents(intent(2, "header:new")),
    lambda journal: journal.mark_refused("o1", {"status": 422}),
    lambda journal: journal.delete_intent("o1"),
    lambda journal: journal.record(FILL),
    lambda journal: journal.delete_events_before(utc_now()),
]
READS: list[Callable[[Journal], object]] = [
    lambda journal: journal.open_intents(ACCOUNT),
    lambda journal: journal.newest_orders(10),
    lambda journal: journal.newest_trades(10),
    lambda journal: journal.orders_before(9, 9, symbol=None, side=None, status="all"),
    lambda journal: journal.trades_before(9, 9, symbol=None, since=None, until=None),
    lambda journal: journal.find_order(order_id="o0"),
    lambda journal: journal.find_trade("t0"),
    lambda journal: journal.events_after(0, ["orders"], 10),
    lambda journal: journal.last_event_sequence(),
]
FILL = Batch(
    orders=[order(1, status="filled")],
    trades=[trade(1, {"USDT": Decimal(-60)})],
    accepted=["o1"],
    events=[event(1), event(1, "trades")],
)


@pytest.fixture
def journal(database: Database) -> Iterator[Journal]:
    journal = Journal(database)
    journal.open_account(ACCOUNT, {"USDT": Decimal(1000)})
    journal.insert_intents(intent(1, "header:k"))
    journal.record(Batch(orders=[order(0)], trades=[trade(0)], events=[event(8), event(9)]))
    yield journal
    journal.close()


@pytest.fixture
def impatient(settings: Settings, database: Database) -> Iterator[Database]:
    """The same database, with little time to wait for others."""
    impatient = Database(settings, ThreadHost(), lock_timeout_s=0.05)
    yield impatient
    impatient.close()


@pytest.mark.parametrize("change", CHANGES)
def test_a_connection_that_is_lost_before_the_commit_changes_nothing(
    database: Database, journal: Journal, change: Callable[[Journal], object]
) -> None:
    before = contents(database)
    with connection_lost(database, when="before commit"), pytest.raises(JournalUnavailable):
        change(journal)
    assert contents(database) == before
    change(journal)
    assert contents(database) != before


def test_a_batch_whose_commit_is_in_doubt_is_not_committed_twice(
    database: Database, journal: Journal
) -> None:
    with connection_lost(database, when="after commit"), pytest.raises(JournalUnavailable):
        journal.record(FILL)
    committed = contents(database)
    journal.record(FILL)
    assert contents(database) == committed
    assert journal.open_account(ACCOUNT, {}).balances == {"USDT": Decimal(940)}


def test_an_intent_whose_commit_is_in_doubt_is_taken_back(
    database: Database, journal: Journal
) -> None:
    with connection_lost(database, when="after commit"), pytest.raises(JournalUnavailable):
        journal.insert_intents(intent(2, "header:new"))
    assert len(journal.open_intents(ACCOUNT)) == 2
    journal.insert_intents(intent(3, "header:new"))
    assert [found.order_id for found in journal.open_intents(ACCOUNT)] == ["o1", "o3"]


def test_taking_back_spares_an_intent_that_was_written_after_all(
    database: Database, journal: Journal
) -> None:
    with connection_lost(database, when="before commit"), pytest.raises(JournalUnavailable):
        journal.insert_intents(intent(2, "header:new"))
    journal.insert_intents(intent(2, "header:new"))
    journal.set_baseline(ACCOUNT, Decimal(1))
    assert journal.insert_intents(intent(3, "header:new")) == [intent(2, "header:new")]


@pytest.mark.parametrize("change", CHANGES)
def test_a_closed_journal_refuses_changes(
    database: Database, journal: Journal, change: Callable[[Journal], object]
) -> None:
    before = contents(database)
    journal.close()
    journal.close()
    with pytest.raises(JournalUnavailable, match="closed"):
        change(journal)
    assert contents(database) == before


@pytest.mark.parametrize("call", [*CHANGES, *READS])
def test_a_database_without_tables_is_unavailable(
    tmp_path: Path, call: Callable[[Journal], object]
) -> None:
    database = Database(make_settings(tmp_path), ThreadHost())
    journal = Journal(database)
    with pytest.raises(JournalUnavailable, match="no such table"):
        call(journal)
    journal.close()
    database.close()


@pytest.mark.parametrize("call", [*CHANGES, *READS])
def test_an_unreachable_server_is_unavailable(
    tmp_path: Path, call: Callable[[Journal], object]
) -> None:
    url = f"postgresql://user:hidden-password@/name?host={tmp_path}"
    database = Database(make_settings(tmp_path, database_url=url), ThreadHost())
    journal = Journal(database)
    with pytest.raises(JournalUnavailable) as refused:
        call(journal)
    assert "hidden-password" not in str(refused.value)
    journal.close()
    database.close()


@pytest.mark.parametrize("settings", ["postgresql"], indirect=True)
@pytest.mark.parametrize("change", CHANGES)
def test_a_server_that_ended_the_connection_is_reached_again(
    database: Database, journal: Journal, change: Callable[[Journal], object]
) -> None:
    before = contents(database)
    with database.engine.connect() as connection:
        query = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid != pg_backend_pid() AND datname = current_database()"
        )
        assert connection.execute(text(query)).scalars().all() == [True]
    with pytest.raises(JournalUnavailable):
        change(journal)
    assert contents(database) == before
    change(journal)
    assert contents(database) != before


@pytest.mark.parametrize("change", CHANGES)
def test_whoever_waits_too_long_for_another_writer_changes_nothing(
    impatient: Database, journal: Journal, change: Callable[[Journal], object]
) -> None:
    before = contents(impatient)
    waiting, holding = Journal(impatient), Writer(impatient)
    with holding.transaction(), pytest.raises(JournalUnavailable, match="lock"):
        change(waiting)
    assert contents(impatient) == before
    change(waiting)
    assert contents(impatient) != before
    waiting.close()
    holding.close()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are not to be seen")
def test_failures_leave_no_connection_open(database: Database, journal: Journal) -> None:
    def open_files() -> int:
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    before = open_files()
    with connection_lost(database, when="before commit"):
        for _ in range(20):
            with pytest.raises(JournalUnavailable):
                journal.record(FILL)
    journal.record(FILL)
    assert open_files() <= before + 1
