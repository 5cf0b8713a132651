"""Portfolio snapshots: the last of each interval, to the last digit."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings, strategies
from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError

from backend.store import Database, snapshots
from backend.store.account_models import PortfolioSnapshot
from backend.store.snapshots import Snapshot

START = datetime(2026, 1, 20, 10, 0, tzinfo=timezone.utc)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def at(minutes: float, value: str = "1", account: str = "sandbox:paper") -> Snapshot:
    return Snapshot(account, START + minutes * MINUTE, "USDT", Decimal(value))


def test_a_snapshot_comes_back_as_it_was(database: Database) -> None:
    long = at(0.001, "123456789012345678901234567890.123456789012345678")
    database.write(snapshots.insert_all, [long])
    assert database.read(snapshots.list_per_interval, "sandbox:paper", HOUR, 10) == [long]


def test_the_last_of_each_interval_counts_newest_first(database: Database) -> None:
    taken = [at(0, "1"), at(59, "2"), at(59.999, "3"), at(60, "4"), at(185, "5"), at(190, "6")]
    database.write(snapshots.insert_all, [*taken, at(300, "7", "other")])
    found = database.read(snapshots.list_per_interval, "sandbox:paper", HOUR, 10)
    assert found == [taken[5], taken[3], taken[2]]
    assert database.read(snapshots.list_per_interval, "sandbox:paper", HOUR, 2) == found[:2]
    assert database.read(snapshots.list_per_interval, "nobody", HOUR, 2) == []


def test_only_the_asked_for_time_is_seen(database: Database) -> None:
    taken = [at(minutes) for minutes in (0, 30, 60, 90, 120)]
    database.write(snapshots.insert_all, taken)
    span = {"since": taken[1].taken_at, "until": taken[4].taken_at}
    assert database.read(snapshots.list_per_interval, "sandbox:paper", MINUTE, 10, **span) == [
        taken[3],
        taken[2],
        taken[1],
    ]
    span = {"until": taken[3].taken_at}
    assert database.read(snapshots.list_per_interval, "sandbox:paper", HOUR, 10, **span) == [
        taken[2],
        taken[1],
    ]


def test_two_of_one_account_at_one_moment_are_refused(database: Database) -> None:
    database.write(snapshots.insert_all, [at(0), at(0, account="other")])
    with pytest.raises(IntegrityError):
        database.write(snapshots.insert_all, [at(1), at(0)])
    assert database.read(snapshots.list_per_interval, "sandbox:paper", MINUTE, 10) == [at(0)]


def test_old_ones_are_forgotten(database: Database) -> None:
    database.write(snapshots.insert_all, [at(0), at(1), at(2)])
    database.write(snapshots.delete_before, START + MINUTE)
    assert database.read(snapshots.list_per_interval, "sandbox:paper", MINUTE, 10) == [at(2), at(1)]


@given(
    seconds=strategies.lists(strategies.integers(0, 5 * 10**6), min_size=1, unique=True),
    interval=strategies.integers(1, 10**6),
)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=30,
    deadline=None,
)
def test_any_interval_divides_time_as_arithmetic_does(
    database: Database, seconds: list[int], interval: int
) -> None:
    taken = [
        at(second / 60)._replace(taken_at=START + timedelta(seconds=second)) for second in seconds
    ]
    database.write(lambda session: session.execute(delete(PortfolioSnapshot)))
    database.write(snapshots.insert_all, taken)
    last: dict[int, Snapshot] = {}
    for snapshot in sorted(taken, key=lambda each: each.taken_at):
        last[(snapshot.taken_at - EPOCH) // timedelta(seconds=interval)] = snapshot
    width = timedelta(seconds=interval)
    found = database.read(snapshots.list_per_interval, "sandbox:paper", width, 1000)
    assert found == list(reversed(last.values()))
