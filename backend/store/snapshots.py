"""Queries on portfolio snapshots: the accounts' total values over time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import ColumnElement, delete, extract, func, insert, select, tuple_
from sqlalchemy.orm import Session

from backend.store.account_models import PortfolioSnapshot

_COLUMNS = PortfolioSnapshot.__table__.columns


class Snapshot(NamedTuple):
    """Total value of an account at a moment, in the reference market of that moment."""

    account: str
    taken_at: datetime
    reference_market: str
    total_value: Decimal


def insert_all(session: Session, snapshots: Sequence[Snapshot]) -> None:
    """Insert snapshots; raises IntegrityError for a second one of an account at one moment."""
    session.execute(insert(PortfolioSnapshot), [snapshot._asdict() for snapshot in snapshots])


def list_per_interval(
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
    count: for the next page, pass the beginning of the last interval as `until`.
    """
    at = PortfolioSnapshot.taken_at
    query = select(*_COLUMNS).where(PortfolioSnapshot.account == account)
    if since is not None:
        query = query.where(at >= since)
    if until is not None:
        query = query.where(at < until)
    last = query.with_only_columns(func.max(at)).group_by(_interval_number(interval))
    rows = session.execute(query.where(at.in_(last)).order_by(at.desc()).limit(limit))
    return [Snapshot(*row) for row in rows]


def list_values(
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


def find_latest(session: Session, trading: str) -> Snapshot | None:
    """Return the newest snapshot of any account in a trading mode, paper or real."""
    query = select(*_COLUMNS).where(PortfolioSnapshot.account.endswith(f":{trading}"))
    row = session.execute(query.order_by(PortfolioSnapshot.taken_at.desc()).limit(1)).first()
    return None if row is None else Snapshot(*row)


def keep_last_per_interval(
    session: Session, interval: timedelta, *, until: datetime, since: datetime | None = None
) -> None:
    """Delete all but the last of each interval, from `since` to just before `until`."""
    at = PortfolioSnapshot.taken_at
    aged = at < until if since is None else (at >= since) & (at < until)
    kept = (
        select(PortfolioSnapshot.account, func.max(at))
        .where(aged)
        .group_by(PortfolioSnapshot.account, _interval_number(interval))
    )
    session.execute(
        delete(PortfolioSnapshot).where(
            aged, tuple_(PortfolioSnapshot.account, at).not_in(kept.subquery().select())
        )
    )


def delete_before(session: Session, before: datetime) -> None:
    """Delete the snapshots that were taken before a time."""
    session.execute(delete(PortfolioSnapshot).where(PortfolioSnapshot.taken_at < before))


def _interval_number(interval: timedelta) -> ColumnElement[int]:
    """Return the number of a snapshot's interval, counted from 1970."""
    seconds = int(interval.total_seconds())
    return func.floor(extract("epoch", PortfolioSnapshot.taken_at) / seconds)
