"""Portfolio snapshots: selected by account, thinned out with age."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest

from backend.store import Database, snapshots
from backend.store.snapshots import Snapshot

HOUR = timedelta(hours=1)
NOON = datetime(2026, 1, 20, 12, 0, tzinfo=timezone.utc)


def taken(minutes: float, value: str, account: str = "sandbox:paper", market: str = "USDT"):
    return Snapshot(account, NOON + timedelta(minutes=minutes), market, Decimal(value))


def everything(database: Database, account: str = "sandbox:paper") -> list[tuple[float, str]]:
    found = database.read(snapshots.list_values, account, "USDT")
    return [((at - NOON).total_seconds() / 60, str(value)) for at, value in found]


@pytest.fixture
def two_hours(database: Database) -> None:
    rows = [taken(minutes, str(1000 + minutes)) for minutes in range(0, 120, 15)]
    rows += [taken(30, "7", "sandbox:real"), taken(40, "3", market="EUR")]
    database.write(snapshots.insert_all, rows)


@pytest.mark.usefixtures("two_hours")
def test_values_are_those_of_one_account_in_one_market(database: Database) -> None:
    assert everything(database, "sandbox:real") == [(30, "7")]
    assert everything(database) == [(m, str(1000 + m)) for m in range(0, 120, 15)]
    since, until = NOON + timedelta(minutes=30), NOON + timedelta(minutes=60)
    found = database.read(snapshots.list_values, "sandbox:paper", "USDT", since=since, until=until)
    assert [value for _, value in found] == [1030, 1045]


@pytest.mark.usefixtures("two_hours")
def test_the_newest_of_a_mode_tells_its_account(database: Database) -> None:
    assert database.read(snapshots.find_latest, "paper") == taken(105, "1105")
    assert database.read(snapshots.find_latest, "real") == taken(30, "7", "sandbox:real")


def test_without_snapshots_there_is_no_newest(database: Database) -> None:
    assert database.read(snapshots.find_latest, "paper") is None


@pytest.mark.usefixtures("two_hours")
def test_thinning_keeps_the_last_of_each_interval_and_all_that_is_younger(
    database: Database,
) -> None:
    database.write(snapshots.keep_last_per_interval, HOUR, until=NOON + HOUR)
    assert everything(database) == [(45, "1045"), *((m, str(1000 + m)) for m in (60, 75, 90, 105))]
    assert everything(database, "sandbox:real") == [(30, "7")]
    database.write(
        snapshots.keep_last_per_interval, HOUR, since=NOON + 2 * HOUR, until=NOON + 3 * HOUR
    )
    assert len(everything(database)) == 5
    database.write(snapshots.keep_last_per_interval, HOUR, since=NOON + HOUR, until=NOON + 2 * HOUR)
    assert everything(database) == [(45, "1045"), (105, "1105")]
