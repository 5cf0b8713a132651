"""The executions that follow a place: from the journal as far as memory does not reach back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from backend.bridge.ledger.history import History
from backend.bridge.ledger.trades import Trades
from backend.concurrency.host import ThreadHost
from backend.ports.journal import Batch
from backend.schemas.trades import Trade
from backend.store import Database, Journal
from tests.databases import make_settings
from tests.store.journal.samples import ACCOUNT, OTHER, trade

KEPT = 4


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Database(make_settings(tmp_path), ThreadHost())) as database:
        database.upgrade()
        with closing(Journal(database)) as journal:
            yield journal


def make_trades(journal: Journal, count: int, others: tuple[int, ...] = ()) -> Trades:
    """Let so many trades happen, a few of them in another account; memory keeps the newest."""
    history: History[Trade] = History(KEPT)
    for number in range(1, count + 1):
        stored = trade(number, account=OTHER if number in others else ACCOUNT)
        journal.record(Batch(trades=[stored]))
        history.pass_by(number)
        if number not in others:
            history.append(stored.trade, b"", number)
    ledger = SimpleNamespace(trades=history, account=lambda exchange: f"{exchange}:paper")
    return Trades(None, ledger, journal, ThreadHost())  # no bot is asked here


def walk(trades: Trades, place: int, limit: int) -> list[str]:
    found = []
    while True:
        reached, executions = trades.following(place, limit)
        found += [execution.order_id for execution in executions]
        if reached == place:
            return found
        place = reached


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
@pytest.mark.parametrize("count", [0, 1, 4, 6, 7, 20])
def test_all_come_once_and_oldest_first(journal: Journal, count: int, limit: int) -> None:
    trades = make_trades(journal, count)
    assert walk(trades, 0, limit) == [f"o{number}" for number in range(1, count + 1)]


@pytest.mark.parametrize("place", [0, 3, 12, 13, 14, 19, 20])
def test_they_go_on_from_any_place(journal: Journal, place: int) -> None:
    trades = make_trades(journal, 20)
    assert walk(trades, place, 2) == [f"o{number}" for number in range(place + 1, 21)]


def test_those_of_another_account_are_passed_by(journal: Journal) -> None:
    others = (1, 2, 3, 9, 18, 20)
    trades = make_trades(journal, 20, others)
    mine = [f"o{number}" for number in range(1, 21) if number not in others]
    assert walk(trades, 0, 2) == mine
