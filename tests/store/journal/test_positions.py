"""Positions and changes of a balance that come without a trade."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from backend.ports.journal import Batch, StoredPosition
from backend.store import Journal
from tests.store.journal.samples import ACCOUNT, NOW, OTHER, intent

OPEN = {"quantity": "0.5", "cost": "20000.000000000000000001", "opened_at": None}
DAY = timedelta(hours=24)


def test_a_position_comes_back_as_it_was_last_recorded(journal: Journal) -> None:
    journal.open_account(ACCOUNT, {})
    journal.open_account(OTHER, {})
    first = StoredPosition(ACCOUNT, "ETH/USDT:USDT", OPEN)
    second = StoredPosition(ACCOUNT, "BTC/USDT:USDT", OPEN)
    journal.record(Batch(positions=[first, second]))
    changed = StoredPosition(ACCOUNT, "ETH/USDT:USDT", {**OPEN, "quantity": "-1"})
    journal.record(Batch(positions=[changed]))
    assert journal.open_account(ACCOUNT, {}).positions == [second, changed]
    assert journal.open_account(OTHER, {}).positions == []


def test_funding_changes_balance_and_position_together_and_once(journal: Journal) -> None:
    journal.open_account(ACCOUNT, {"USDT": Decimal(100)})
    batch = Batch(
        positions=[StoredPosition(ACCOUNT, "BTC/USDT:USDT", OPEN)],
        balances={ACCOUNT: {"USDT": Decimal("-0.25")}},
    )
    journal.record(batch)
    journal.record(batch)  # nobody knew whether the first one was committed
    state = journal.open_account(ACCOUNT, {})
    assert state.balances == {"USDT": Decimal("99.75")}
    assert [stored.body for stored in state.positions] == [OPEN]


def test_the_intent_of_a_key_is_found_for_a_day(journal: Journal) -> None:
    mine = intent(1, "header:k")
    journal.insert_intents(mine)
    assert journal.find_intent(mine.user_id, "header:k", NOW + DAY) == mine
    assert journal.find_intent(mine.user_id, "header:k", NOW + DAY * 2) is None
    assert journal.find_intent(mine.user_id, "header:other", NOW) is None
    assert journal.find_intent("somebody else", "header:k", NOW) is None
