"""Journalled events: read by number, forgotten by time."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, func, select, union_all

from backend.ports.journal import StoredEvent
from backend.store.journal.compiled import in_both
from backend.store.journal.mapping import read_event
from backend.store.journal.models import EventRow
from backend.store.types import UtcDateTime

MOST_FORGOTTEN = 1000

_LAST = select(func.max(EventRow.sequence))
_FIRST = select(func.min(EventRow.sequence))
_NEWEST = in_both(
    select(EventRow.sequence).order_by(EventRow.sequence.desc()).limit(bindparam("count"))
)
_OLDEST = select(EventRow.sequence).order_by(EventRow.sequence).limit(MOST_FORGOTTEN).subquery()
_END_OF_OLDEST = select(func.max(_OLDEST.c.sequence))
_FORGET = delete(EventRow).where(
    EventRow.sequence <= bindparam("end"),
    EventRow.sequence < _LAST.scalar_subquery(),
    EventRow.recorded_at < bindparam("before", type_=UtcDateTime),
)


def after(
    connection: Connection, sequence: int, topics: Collection[str], limit: int
) -> list[StoredEvent]:
    """Return the events of some topics that follow a number, oldest first.

    Each topic is looked up by itself: the rare one costs no walk through the
    others. It is one statement, so that all topics are seen at one moment.
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
    """Return the number of the oldest event that is kept."""
    return connection.execute(_FIRST).scalar() or 0


def newest_numbers(connection: Connection, count: int) -> list[int]:
    """Return the numbers of the newest events, oldest first."""
    if count == 0:
        return []
    return [row[0] for row in reversed(_NEWEST.fetch(connection, {"count": count}))]


def forget_some(connection: Connection, before: datetime) -> bool:
    """Delete those of the oldest events that are too old; False when there are no more."""
    end = connection.execute(_END_OF_OLDEST).scalar()
    if end is None:
        return False
    deleted = connection.execute(_FORGET, {"end": end, "before": before}).rowcount
    return deleted == MOST_FORGOTTEN
