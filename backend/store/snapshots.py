"""What the accounts were worth, from time to time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import ColumnElement, delete, extract, func, insert, select, tuple_
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
    last = query.with_only_columns(func.max(at)).group_by(_number_of(interval))
    rows = session.execute(query.where(at.in_(last)).order_by(at.desc()).limit(limit))
    return [Snapshot(*row) for row in rows]


def values_of(
    session: Session,
    account: str,
    reference_market: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[tuple[datetime, Decimal]]:
    """Return all values of an account in one reference market, oldest first, with their times."""
    at = PortfolioSnapshot.taken_at
    query = select(at, PortfolioSnapshot.total_value).where(
        PortfolioSnapshot.account == account, PortfolioSnapshot.reference_market == reference_market
    )
    if since is not None:
        query = query.where(at >= since)
    if until is not None:
        query = query.where(at < until)
    return [(moment, value) for moment, value in session.execute(query.order_by(at))]


def newest(session: Session, trading: str) -> Snapshot | None:
    """Return the newest snapshot of any account that trades in this mode: paper or real."""
    query = select(*_COLUMNS).where(PortfolioSnapshot.account.endswith(f":{trading}"))
    row = session.execute(query.order_by(PortfolioSnapshot.taken_at.desc()).limit(1)).first()
    return None if row is None else Snapshot(*row)


def thin(
    session: Session, interval: timedelta, *, until: datetime, since: datetime | None = None
) -> None:
    """Of the snapshots from `since` to just before `until` keep the last of each interval."""
    at = PortfolioSnapshot.taken_at
    aged = at < until if since is None else (at >= since) & (at < until)
    kept = (
        select(PortfolioSnapshot.account, func.max(at))
        .where(aged)
        .group_by(PortfolioSnapshot.account, _number_of(interval))
    )
    session.execute(
        delete(PortfolioSnapshot).where(
            aged, tuple_(PortfolioSnapshot.account, at).not_in(kept.subquery().select())
        )
    )


def forget(session: Session, before: datetime) -> None:
    """Delete the snapshots that were taken before a time."""
    session.execute(delete(PortfolioSnapshot).where(PortfolioSnapshot.taken_at < before))


def _number_of(interval: timedelta) -> ColumnElement[int]:
    """Number a snapshot's interval from 1970 on."""
    seconds = int(interval.total_seconds())
    return func.floor(extract("epoch", PortfolioSnapshot.taken_at) / seconds)
