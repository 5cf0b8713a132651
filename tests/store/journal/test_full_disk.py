"""A full disk refuses whole batches, none of which is lost or doubled."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from backend.ports.journal import Batch, JournalUnavailable
from backend.store import Database, Journal
from tests.store.journal.database_faults import PageLimit, contents, largest_file
from tests.store.journal.samples import ACCOUNT, event, intent, order, trade

pytestmark = pytest.mark.parametrize("settings", ["sqlite"], indirect=True)


@pytest.mark.parametrize("size", [1, 50])
def test_a_full_disk_refuses_whole_batches_and_loses_none(database: Database, size: int) -> None:
    limit = PageLimit(database)
    journal = Journal(database)
    journal.open_account(ACCOUNT, {"USDT": Decimal(0)})
    limit.allow(more_pages=40)
    number, refused = 0, None
    while refused is None:
        numbers = range(number, number + size)
        batch = Batch(
            orders=[order(each) for each in numbers],
            trades=[trade(each, {"USDT": Decimal(1)}) for each in numbers],
            events=[event(each) for each in numbers],
        )
        before = contents(database)
        try:
            journal.record(batch)
            number += size
        except JournalUnavailable as error:
            refused = error
    assert "full" in str(refused)
    assert contents(database) == before
    with pytest.raises(JournalUnavailable):
        journal.insert_intents(intent(999_999, "header:k", request={"tag": "x" * 100_000}))
    assert contents(database) == before
    limit.allow(more_pages=1000)
    journal.record(batch)
    assert journal.open_account(ACCOUNT, {}).balances == {"USDT": Decimal(number + size)}
    assert len(journal.newest_trades(10_000)) == number + size
    journal.close()


@pytest.mark.parametrize("room", [0, 1, 4096, 10_000])
def test_a_write_that_the_system_refuses_leaves_nothing(
    database: Database, tmp_path: Path, room: int
) -> None:
    journal = Journal(database)
    journal.open_account(ACCOUNT, {"USDT": Decimal(1000)})
    journal.insert_intents(intent(1, "header:k"))
    before = contents(database)
    fill = Batch(
        orders=[order(1, status="filled")],
        trades=[trade(1, {"USDT": Decimal(-60)})],
        accepted=["o1"],
        events=[event(1), event(1, "trades")],
    )
    with largest_file(tmp_path / "backend.db-wal", room):
        with pytest.raises(JournalUnavailable):
            journal.record(fill)
        with pytest.raises(JournalUnavailable):
            journal.record(fill)
        assert contents(database) == before
    journal.record(fill)
    assert journal.open_account(ACCOUNT, {}).balances == {"USDT": Decimal(940)}
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    journal.close()
