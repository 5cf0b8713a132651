"""The thread that records portfolio snapshots."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import structlog
from sqlalchemy import text

from backend.concurrency.host import ThreadHost
from backend.ports.account_value import AccountValue
from backend.reports.portfolio_snapshots import PortfolioSnapshots
from backend.schemas.common import utc_now
from backend.store import Database, snapshots
from backend.store import opening_prices as openings
from backend.store.snapshots import Snapshot
from tests.bridge.live_bridge import wait_until
from tests.databases import make_settings

D = Decimal
WORTH = AccountValue("USDT", D(1000), {"sandbox": "sandbox:paper"}, {"BTC": D(20000)}, True)
DAY = timedelta(days=1)
StartHistory = Callable[..., PortfolioSnapshots]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(make_settings(tmp_path), ThreadHost(), lock_timeout_s=0.05)
    database.upgrade()
    yield database
    database.close()


class Account:
    """Source of an account value that tests can change."""

    def __init__(self) -> None:
        self.worth: AccountValue | None = WORTH

    def __call__(self) -> AccountValue | None:
        return self.worth


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def start_history(tmp_path: Path, database: Database, account: Account) -> Iterator[StartHistory]:
    started: list[PortfolioSnapshots] = []

    def start(interval: float = 0.01, **overrides: object) -> PortfolioSnapshots:
        settings = make_settings(tmp_path, snapshot_interval=interval, **overrides)
        started.append(PortfolioSnapshots(settings, database, account, lambda *_: None))
        return started[-1]

    yield start
    for each in started:
        each.close()


def stored_values(database: Database, account: str = "sandbox:paper") -> list[Decimal]:
    return [value for _, value in database.read(snapshots.list_values, account, "USDT")]


def test_values_are_kept_at_the_interval_until_it_ends(
    start_history: StartHistory, database: Database
) -> None:
    others = set(threading.enumerate())
    taking = start_history(0.02)
    assert wait_until(lambda: len(stored_values(database)) >= 3)
    (thread,) = (each for each in set(threading.enumerate()) - others if each.name == "snapshots")
    taking.close()
    count = len(stored_values(database))
    assert set(stored_values(database)) == {D(1000)}
    assert not wait_until(lambda: len(stored_values(database)) > count, 0.1)
    assert not thread.is_alive()


def test_the_first_one_does_not_wait_for_the_interval(
    start_history: StartHistory, database: Database, account: Account
) -> None:
    account.worth = None
    taking = start_history(3600.0)
    assert not wait_until(lambda: stored_values(database), 0.1)
    account.worth = WORTH
    assert wait_until(lambda: stored_values(database) == [D(1000)])
    assert wait_until(lambda: taking.series == ("sandbox:paper", "USDT"))


def test_a_value_that_lacks_a_price_is_not_kept(
    start_history: StartHistory, database: Database, account: Account
) -> None:
    account.worth = replace(WORTH, total_value=D(10), complete=False)
    taking = start_history()
    assert not wait_until(lambda: stored_values(database), 0.1)
    assert taking.series is None


def test_accounts_together_have_values_of_their_own(
    start_history: StartHistory, database: Database, account: Account
) -> None:
    account.worth = replace(WORTH, accounts={"b": "b:paper", "a": "a:paper"})
    start_history()
    assert wait_until(lambda: stored_values(database, "a:paper+b:paper"))


def test_the_first_prices_are_noted_once(
    start_history: StartHistory, database: Database, account: Account
) -> None:
    with database.transaction() as session:
        session.execute(text("INSERT INTO accounts VALUES ('sandbox:paper', NULL, '2026-01-20')"))
        session.execute(
            text("INSERT INTO account_balances VALUES ('sandbox:paper', 'BTC', '1', '1')")
        )
    start_history()
    assert wait_until(lambda: stored_values(database))
    account.worth = replace(WORTH, prices={"BTC": D(1)})
    count = len(stored_values(database))
    assert wait_until(lambda: len(stored_values(database)) > count + 2)
    (held,) = database.read(openings.list_balances, ["sandbox:paper"], "USDT")
    assert (held.asset, held.quantity, held.price) == ("BTC", D(1), D(20000))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    blocker = sqlite3.connect(path / "backend.db", isolation_level=None, check_same_thread=False)
    blocker.execute("BEGIN IMMEDIATE")
    yield
    blocker.execute("ROLLBACK")
    blocker.close()


def test_it_goes_on_when_the_database_comes_back(
    start_history: StartHistory, database: Database, tmp_path: Path
) -> None:
    with structlog.testing.capture_logs() as events:
        start_history()
        assert wait_until(lambda: stored_values(database))
        with locked(tmp_path):
            assert wait_until(lambda: len(warnings_of(events)) >= 2)
            count = len(stored_values(database))
        assert wait_until(lambda: len(stored_values(database)) > count)
    assert set(warnings_of(events)) == {"portfolio snapshot skipped: the database is unavailable"}


def test_it_goes_on_after_a_defect(
    start_history: StartHistory, database: Database, tmp_path: Path
) -> None:
    patient = Database(make_settings(tmp_path), ThreadHost())
    with structlog.testing.capture_logs() as events:
        with database.transaction() as session:
            session.execute(text("ALTER TABLE opening_prices RENAME TO hidden"))
        start_history()
        assert wait_until(lambda: len(stored_values(database)) > 2)
        with patient.transaction() as session:
            session.execute(text("ALTER TABLE hidden RENAME TO opening_prices"))
    patient.close()
    assert "portfolio snapshot skipped: the database is unavailable" in warnings_of(events)


def warnings_of(events: list) -> list[str]:
    return [event["event"] for event in events if event["log_level"] in ("warning", "error")]


def past(age: timedelta, value: int) -> Snapshot:
    return Snapshot("sandbox:paper", utc_now() - age, "USDT", D(value))


def test_old_values_get_sparser_and_are_forgotten(
    start_history: StartHistory, database: Database, account: Account
) -> None:
    account.worth = replace(WORTH, total_value=D(0))
    minute = timedelta(minutes=1)
    ages = {1: DAY, 2: 3 * DAY, 3: 31 * DAY, 4: 366 * DAY}
    rows = [
        past(age + offset * minute, kind) for kind, age in ages.items() for offset in range(180)
    ]
    database.write(snapshots.insert_all, rows)
    start_history(snapshot_retention=365)
    assert wait_until(lambda: stored_values(database).count(D(4)) == 0)
    counts = [stored_values(database).count(D(kind)) for kind in ages]
    # of 180 minutes: all; 36 or 37 times five minutes; 3 or 4 hours; none
    assert counts[0] == 180
    assert counts[1] in (36, 37)
    assert counts[2] in (3, 4)
    assert counts[3] == 0
