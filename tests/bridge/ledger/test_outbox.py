"""How a loop waits for the journal: a loop that is late is no journal that is away."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.bridge.ledger.outbox import Outbox
from backend.concurrency.host import ThreadHost
from backend.store import Database, Journal
from tests.bridge.live_bridge import Sink, wait_until
from tests.databases import make_settings
from tests.store.journal.samples import order

SOON_S, WAIT_S = 0.05, 60


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    database = Database(make_settings(tmp_path), ThreadHost())
    database.upgrade()
    journal = Journal(database)
    yield journal
    journal.close()
    database.close()


@pytest.fixture
def outbox(journal: Journal) -> Iterator[Outbox]:
    outbox = Outbox(journal, Sink())
    yield outbox
    outbox.close()


def test_what_was_written_while_the_loop_was_held_up_was_written_in_time(
    outbox: Outbox,
) -> None:
    async def wait() -> bool:
        waiting = asyncio.create_task(outbox.flush_within(SOON_S))
        await asyncio.sleep(0)
        outbox.flush().result(WAIT_S)
        time.sleep(2 * SOON_S)
        return await waiting

    outbox.commit([order(1)])
    assert asyncio.run(wait())


def test_what_cannot_be_written_was_not_written_in_time(
    outbox: Outbox, journal: Journal, tmp_path: Path
) -> None:
    blocker = sqlite3.connect(tmp_path / "backend.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    outbox.commit([order(1)])
    assert not asyncio.run(outbox.flush_within(SOON_S))
    blocker.execute("ROLLBACK")
    blocker.close()
    assert wait_until(lambda: [row.place for row in journal.newest_orders(1)] == [1])
