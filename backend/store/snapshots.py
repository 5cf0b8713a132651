"""What the accounts were worth, from time to time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import delete, extract, func, insert, select
from sqlalchemy.orm import Session

from backend.store.models import PortfolioSnapshot

_COLUMNS = PortfolioSnapshot.__table__.columns


class Snapshot(NamedTuple):
    """An account's total value at a moment, in the reference market of that moment."""

    account: str
    taken_at: datetime
    reference_market: str
    total_value: Decimal


def add(session: Session, snapshots: Sequence[Snapshot]) -> None:
    """Keep snapshots; raises IntegrityError for a second one of an account at one moment."""
    session.execute(insert(PortfolioSnapshot), [snapshot._asdict() for snapshot in snapshots])


def of_account(
    session: Session,
    account: str,
    interval: timedelta,
    limit: int,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Snapshot]:
    """Return the last snapshot of each interval, newest first.

    Intervals are whole seconds and counted from 1970, so that hours and days
    begin where they do in UTC. Only snapshots from `since` to just before `until`
    are seen: to go on after a page, pass the beginning of its last interval.
    """
    at = PortfolioSnapshot.taken_at
    query = select(*_COLUMNS).where(PortfolioSnapshot.account == account)
    if since is not None:
        query = query.where(at >= since)
    if until is not None:
        query = query.where(at < until)
    number = func.floor(extract("epoch", at) / int(interval.total_seconds()))
    last = query.with_only_columns(func.max(at)).group_by(number)
    rows = session.execute(query.where(at.in_(last)).order_by(at.desc()).limit(limit))
    return [Snapshot(*row) for row in rows]


def forget(session: Session, before: datetime) -> None:
    """Delete the snapshots that were taken before a time."""
    session.execute(delete(PortfolioSnapshot).where(PortfolioSnapshot.taken_at < before))
