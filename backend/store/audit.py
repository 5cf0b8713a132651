"""Queries on the audit log, which is append-only and forms a hash chain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import Table, insert, or_, select
from sqlalchemy.orm import Session

from backend.store.audit_chain import BEGINNING, link
from backend.store.models import AuditEnd, AuditEntry
from backend.store.types import UntrustedText

_PAGE_SIZE = 1000
# Core instead of the ORM, which costs more than the database: orders wait for appends
_ENTRIES = cast("Table", AuditEntry.__table__)


class NewEntry(NamedTuple):
    """Values of a new entry."""

    occurred_at: datetime
    action: str
    user_id: str | None
    username: str | None
    address: str
    method: str
    path: str
    status: int
    outcome: str
    request_id: str
    change: str | None = None


class Filters(NamedTuple):
    """Filters of a list of entries; None does not filter."""

    user: str | None = None
    action: str | None = None
    outcome: str | None = None
    since: datetime | None = None
    until: datetime | None = None


NO_FILTERS = Filters()


class ChainVerification(NamedTuple):
    """Result of verifying the chain.

    `sound` entries are valid, `bad` is the first that is not, `missing` whether entries are
    missing at the end, `end` the hash that was reached.
    """

    sound: int
    bad: AuditEntry | None
    missing: bool
    end: str

    @property
    def intact(self) -> bool:
        """Whether every entry exists unchanged."""
        return self.bad is None and not self.missing


def append(session: Session, entries: Sequence[NewEntry]) -> None:
    """Append entries in order.

    The chain's end is locked until the transaction ends, which serialises concurrent
    appends.
    """
    rows = [_as_stored(entry) for entry in entries]
    end = session.scalars(select(AuditEnd).with_for_update()).one()
    for row in rows:
        row["hash"] = end.hash = link(end.hash, row)
    session.execute(insert(_ENTRIES), rows)


def list_entries(
    session: Session, limit: int, before: int | None = None, filters: Filters = NO_FILTERS
) -> list[AuditEntry]:
    """Return entries, newest first, those older than the entry `before`."""
    query = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
    if before is not None:
        query = query.where(AuditEntry.id < before)
    if filters.user is not None:
        user, name = filters.user, filters.user.lower()
        by_key = AuditEntry.username.startswith(f"{name} obk_", autoescape=True)
        query = query.where(or_(AuditEntry.user_id == user, AuditEntry.username == name, by_key))
    if filters.action is not None:
        query = query.where(AuditEntry.action == filters.action)
    if filters.outcome is not None:
        query = query.where(AuditEntry.outcome == filters.outcome)
    if filters.since is not None:
        query = query.where(AuditEntry.occurred_at >= filters.since)
    if filters.until is not None:
        query = query.where(AuditEntry.occurred_at < filters.until)
    return list(session.scalars(query))


def verify(session: Session) -> ChainVerification:
    """Verify the chain from its beginning to its end."""
    end = session.scalar(select(AuditEnd.hash))
    reached, sound = BEGINNING, 0
    for entry in _oldest_first(session):
        if reached == end:
            break  # appended since the end was read
        if entry.hash != link(reached, _content(entry)):
            return ChainVerification(sound, entry, False, reached)
        reached, sound = entry.hash, sound + 1
    return ChainVerification(sound, None, reached != end, reached)


def _oldest_first(session: Session) -> Iterator[AuditEntry]:
    query, last = select(AuditEntry).order_by(AuditEntry.id).limit(_PAGE_SIZE), -(2**63)
    while page := session.scalars(query.where(AuditEntry.id > last)).all():
        yield from page
        last = page[-1].id
        session.expunge_all()


def _as_stored(entry: NewEntry) -> dict[str, Any]:
    """Return an entry's values as they will be read back."""
    row = entry._asdict()
    for column in AuditEntry.__table__.columns:
        if isinstance(column.type, UntrustedText):
            row[column.name] = column.type.clean(row[column.name])
    return row


def _content(entry: AuditEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in NewEntry._fields}
