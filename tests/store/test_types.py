"""Column types read back the same values from both databases."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings, strategies
from sqlalchemy import select
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Session

from backend.store import Database, audit
from backend.store.audit import NewEntry
from backend.store.models import AuditEntry, User

ENTRY = NewEntry(
    occurred_at=datetime(2026, 1, 20, 10, 0, 0, 123456, tzinfo=timezone.utc),
    action="orders.create_order",
    user_id="u1",
    username="bob",
    address="127.0.0.1",
    method="POST",
    path="/api/v1/orders",
    status=201,
    outcome="ok",
    request_id="r1",
)
OFFSETS = strategies.integers(-14 * 60, 14 * 60).map(
    lambda minutes: timezone(timedelta(minutes=minutes))
)
TIMES = strategies.datetimes(
    datetime.fromisoformat("1970-01-03"),
    datetime.fromisoformat("2200-01-01"),
    timezones=OFFSETS,
    allow_imaginary=False,
)
reuse_the_database = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=50,
    deadline=None,
)


def stored(database: Database, entry: NewEntry) -> AuditEntry:
    database.write(audit.append, [entry])
    return database.read(audit.list_entries, 1)[0]


@given(moment=TIMES)
@reuse_the_database
def test_a_time_comes_back_as_the_same_moment_in_utc(database: Database, moment: datetime) -> None:
    found = stored(database, ENTRY._replace(occurred_at=moment)).occurred_at
    assert found == moment
    assert found.utcoffset() == timedelta(0)


@given(moment=TIMES, other=TIMES)
@reuse_the_database
def test_times_compare_in_sql_as_in_python(
    database: Database, moment: datetime, other: datetime
) -> None:
    entry = stored(database, ENTRY._replace(occurred_at=moment))

    def is_before(session: Session) -> bool:
        query = select(AuditEntry.id).where(
            AuditEntry.id == entry.id, AuditEntry.occurred_at < other
        )
        return session.scalar(query) is not None

    assert database.read(is_before) is (moment < other)


def test_a_time_without_zone_is_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="must be aware"):
        stored(database, ENTRY._replace(occurred_at=ENTRY.occurred_at.replace(tzinfo=None)))


def test_a_missing_time_stays_missing(database: Database) -> None:
    now = ENTRY.occurred_at
    user = User(
        username="bob",
        password_hash="hash",
        password_changed_at=now,
        role="viewer",
        created_at=now,
        disabled_at=None,
    )
    database.write(lambda session: session.add(user))
    assert database.read(lambda session: session.scalars(select(User.disabled_at)).one()) is None


@given(text=strategies.text(strategies.characters(), max_size=400))
@reuse_the_database
def test_any_text_from_outside_can_be_kept(database: Database, text: str) -> None:
    found = stored(database, ENTRY._replace(path=text, address=text)).path
    assert len(found) == min(len(text), 300)
    assert found.isprintable()
    assert all(kept in ("?", sent) for kept, sent in zip(found, text, strict=False))


def test_a_printable_text_is_kept_as_it_is(database: Database) -> None:
    entry = stored(database, ENTRY._replace(path="/api/v1/orders/é-日本"))
    assert entry.path == "/api/v1/orders/é-日本"
