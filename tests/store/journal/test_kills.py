"""A kill at any instant loses no recorded order and doubles none."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from backend.settings.model import Settings
from backend.store import Database, Journal
from tests.store.journal.samples import ACCOUNT

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[3]
KILLS = int(os.environ.get("KILLS", "16"))
STATEMENTS = 60
KEPT_AT_FIRST = 5
"""So many orders tell how fast this machine keeps them: lives last for up to twice as many."""


class Nursery:
    """Gives life to processes that keep orders, and hears what they say they kept."""

    def __init__(self, settings: Settings) -> None:
        url = settings.database_url
        arguments = [str(settings.home), *([url.get_secret_value()] if url else [])]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.store.journal.crashing_writer", *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def live(
        self, seed: int, *, kill_after_s: float | None = None, at_statement: int = 0
    ) -> list[int]:
        """Run one child and return the numbers of the orders that it recorded."""
        kept = []
        killer = None
        for said, number in self._begin(seed, at_statement):
            if said == "living" and kill_after_s is not None:
                killer = threading.Timer(kill_after_s, os.kill, [number, signal.SIGKILL])
                killer.start()
            elif said == "kept":
                kept.append(number)
        if killer is not None:
            killer.join()
        return kept

    def live_for(self, count: int) -> tuple[list[int], float]:
        """Kill a life when it has kept so many; return them, and how long one took."""
        kept: list[int] = []
        pid, begun = 0, 0.0
        for said, number in self._begin(0, 0):
            if said == "living":
                pid, begun = number, time.monotonic()
            elif said == "kept":
                kept.append(number)
                if len(kept) == count:
                    taken_s = time.monotonic() - begun
                    os.kill(pid, signal.SIGKILL)
        return kept, taken_s / count

    def _begin(self, seed: int, at_statement: int) -> Iterator[tuple[str, int]]:
        """Have a life begin, and pass on what it says until it is dead."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(seed, at_statement, file=self._process.stdin, flush=True)
        for line in self._process.stdout:
            said, number = line.split()
            if said == "dead":
                return
            yield said, int(number)

    def close(self) -> None:
        """End the nursery."""
        self._process.communicate()


@contextmanager
def nursery_of(settings: Settings) -> Iterator[Nursery]:
    nursery = Nursery(settings)
    try:
        yield nursery
    finally:
        nursery.close()


def check(database: Database, kept: set[int]) -> None:
    """Assert that all that was kept is there, once, and that everything fits together."""
    journal = Journal(database)
    state = journal.open_account(ACCOUNT, {})
    orders = {stored.order.id: stored.order for stored in journal.newest_orders(100_000)}
    trades = journal.newest_trades(100_000)
    totals = {asset: Decimal(0) for asset in state.balances}
    for stored in trades:
        for asset, change in stored.changes.items():
            totals[asset] += change
    assert state.balances == totals
    assert {orders[f"o{number}"].status for number in kept} <= {"filled"}
    traded = Counter(stored.trade.order_id for stored in trades)
    assert set(traded) == {order.id for order in orders.values() if order.status != "open"}
    unsettled = {found.order_id for found in journal.open_intents(ACCOUNT)}
    assert not unsettled & set(orders)
    events = [stored.event for stored in journal.events_after(0, ["orders", "trades"], 1_000_000)]
    assert Counter(event.key for event in events if event.topic == "orders") == Counter(
        list(orders)
    )
    assert Counter(event.key for event in events if event.topic == "trades") == traded
    journal.close()


def test_a_kill_at_any_moment_leaves_a_true_journal(settings: Settings, database: Database) -> None:
    chance = random.Random(20)
    with nursery_of(settings) as nursery:
        first, one_takes_s = nursery.live_for(KEPT_AT_FIRST)
        kept = set(first)
        check(database, kept)
        longest_s = 2 * KEPT_AT_FIRST * one_takes_s
        for kill in range(KILLS):
            kept.update(nursery.live(kill, kill_after_s=chance.uniform(0, longest_s)))
            check(database, kept)


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_a_kill_before_any_statement_leaves_a_true_journal(
    settings: Settings, database: Database
) -> None:
    kept: set[int] = set()
    with nursery_of(settings) as nursery:
        for statement in range(1, STATEMENTS):
            kept.update(nursery.live(statement, at_statement=statement))
            check(database, kept)
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    assert kept
