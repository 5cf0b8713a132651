"""Queries on journalled events: read by number, deleted by age."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, func, select, union_all

from backend.ports.journal import StoredEvent
from backend.store.journal.compiled import portable
from backend.store.journal.mapping import read_event
from backend.store.journal.models import EventRow
from backend.store.types import UtcDateTime

DELETE_BATCH = 1000

_LAST = select(func.max(EventRow.sequence))
_FIRST = select(func.min(EventRow.sequence))
_NEWEST = portable(
    select(EventRow.sequence).order_by(EventRow.sequence.desc()).limit(bindparam("count"))
)
_OLDEST = select(EventRow.sequence).order_by(EventRow.sequence).limit(DELETE_BATCH).subquery()
_END_OF_OLDEST = select(func.max(_OLDEST.c.sequence))
_DELETE_OLD = delete(EventRow).where(
    EventRow.sequence <= bindparam("end"),
    EventRow.sequence < _LAST.scalar_subquery(),
    EventRow.recorded_at < bindparam("before", type_=UtcDateTime),
)


def list_after(
    connection: Connection, sequence: int, topics: Collection[str], limit: int
) -> list[StoredEvent]:
    """Return the events of the topics with a greater number, oldest first.

    Each topic is a subquery of its own, so that a rare one needs no scan through the
    others; one statement reads all topics at one moment.
    """
    events = EventRow.__table__
    newer = [
        select(events)
        .where(events.c.topic == topic, events.c.sequence > sequence)
        .order_by(events.c.sequence)
        .limit(limit)
        .subquery()
        for topic in sorted(set(topics))
    ]
    if not newer:
        return []
    merged = union_all(*(select(part) for part in newer)).subquery()
    rows = connection.execute(select(merged).order_by(merged.c.sequence).limit(limit))
    return [read_event(row) for row in rows]


def last_sequence(connection: Connection) -> int:
    """Return the number of the newest event."""
    return connection.execute(_LAST).scalar() or 0


def oldest_sequence(connection: Connection) -> int:
    """Return the number of the oldest stored event."""
    return connection.execute(_FIRST).scalar() or 0


def list_last_sequences(connection: Connection, count: int) -> list[int]:
    """Return the numbers of the newest events, oldest first."""
    if count == 0:
        return []
    return [row[0] for row in reversed(_NEWEST.fetch(connection, {"count": count}))]


def delete_before(connection: Connection, before: datetime) -> bool:
    """Delete up to `DELETE_BATCH` events from before a time; return whether more may follow."""
    end = connection.execute(_END_OF_OLDEST).scalar()
    if end is None:
        return False
    deleted = connection.execute(_DELETE_OLD, {"end": end, "before": before}).rowcount
    return deleted == DELETE_BATCH
