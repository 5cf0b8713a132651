"""Exchange credentials as they are kept: encrypted by whoever calls."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.store.models import ExchangeCredentials, SecondFactor


def all_kept(session: Session) -> list[ExchangeCredentials]:
    """Return all, by exchange."""
    query = select(ExchangeCredentials).order_by(ExchangeCredentials.exchange)
    return list(session.scalars(query))


def get(session: Session, exchange: str) -> ExchangeCredentials | None:
    """Return those of an exchange."""
    return session.get(ExchangeCredentials, exchange)


def add(session: Session, row: ExchangeCredentials) -> bool:
    """Keep new ones; False when the exchange has some already."""
    if session.get(ExchangeCredentials, row.exchange, with_for_update=True) is not None:
        return False
    session.add(row)
    session.flush()
    return True


def change(
    session: Session, exchange: str, edit: Callable[[ExchangeCredentials], None]
) -> ExchangeCredentials | None:
    """Let `edit` change a row that nobody else changes meanwhile, and return it."""
    row = session.get(ExchangeCredentials, exchange, with_for_update=True)
    if row is not None:
        edit(row)
        session.flush()
    return row


def remove(session: Session, exchange: str) -> bool:
    """Forget those of an exchange; False when there are none."""
    row = session.get(ExchangeCredentials, exchange, with_for_update=True)
    if row is None:
        return False
    session.delete(row)
    return True


def note_test(
    session: Session, exchange: str, updated_at: datetime, outcome: str, at: datetime
) -> None:
    """Keep how a test of keys ended, unless they were changed since `updated_at`."""
    row = session.get(ExchangeCredentials, exchange, with_for_update=True)
    if row is not None and row.updated_at == updated_at:
        row.test_outcome, row.tested_at = outcome, at


def rewrite(session: Session, seal: Callable[[str], str]) -> int:
    """Replace each encrypted text of any kind by what `seal` makes of it; return their number."""
    rows: list[ExchangeCredentials | SecondFactor] = [
        *session.scalars(select(ExchangeCredentials).with_for_update()),
        *session.scalars(select(SecondFactor).with_for_update()),
    ]
    for row in rows:
        row.sealed = seal(row.sealed)
    return len(rows)
