"""Accounts share one list of places, so that the newest of all are the newest of each."""

from __future__ import annotations

from pathlib import Path

from backend.bridge.ledger.ledger import Ledger
from backend.bridge.ledger.outbox import Outbox
from backend.concurrency.host import ThreadHost
from backend.ports.journal import Batch
from backend.store import Database, Journal
from tests.databases import make_settings
from tests.store.journal.samples import order, trade


class Silence:
    """Takes events and forgets them."""

    def publish(self, event: object, journal_number: int | None = None) -> None:
        """Forget an event."""

    def replace_snapshot(self, topic: str, items: object) -> None:
        """Forget a snapshot."""


def test_a_new_account_goes_on_where_another_ended(tmp_path: Path) -> None:
    database = Database(make_settings(tmp_path), ThreadHost())
    database.upgrade()
    journal = Journal(database)
    outbox = Outbox(journal, Silence())
    ours = {"account": "sandbox:real"}
    journal.record(Batch(orders=[order(3, **ours), order(7)], trades=[trade(2, **ours), trade(4)]))
    ledger = Ledger(outbox, "real")
    ledger.load(journal.newest_orders(10), journal.newest_trades(10))
    assert [entry.place for entry in ledger.orders.newest_first()] == [3]
    assert [entry.place for entry in ledger.trades.newest_first()] == [2]
    assert (ledger.orders.next_place, ledger.trades.next_place) == (8, 5)
    outbox.close()
    journal.close()
    database.close()
