"""The audit as it is kept: it only grows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from backend.store.models import AuditEntry


class NewEntry(NamedTuple):
    """An entry about to be kept."""

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


def append(session: Session, entries: Sequence[NewEntry]) -> None:
    """Add entries in their order."""
    session.execute(insert(AuditEntry), [entry._asdict() for entry in entries])


def newest(session: Session, limit: int, before: int | None = None) -> list[AuditEntry]:
    """Return entries, newest first, older than the entry `before`."""
    query = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
    if before is not None:
        query = query.where(AuditEntry.id < before)
    return list(session.scalars(query))
