"""Queries on exchange credentials, which callers encrypt and decrypt."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.store.account_models import ExchangeCredentials


def list_all(session: Session) -> list[ExchangeCredentials]:
    """Return all credentials, ordered by exchange."""
    query = select(ExchangeCredentials).order_by(ExchangeCredentials.exchange)
    return list(session.scalars(query))


def get(session: Session, exchange: str) -> ExchangeCredentials | None:
    """Return the credentials of an exchange."""
    return session.get(ExchangeCredentials, exchange)


def insert(session: Session, row: ExchangeCredentials) -> bool:
    """Insert credentials; False if the exchange has some already."""
    if session.get(ExchangeCredentials, row.exchange, with_for_update=True) is not None:
        return False
    session.add(row)
    session.flush()
    return True


def update(
    session: Session, exchange: str, edit: Callable[[ExchangeCredentials], None]
) -> ExchangeCredentials | None:
    """Lock the row of an exchange, apply `edit` to it, and return it."""
    row = session.get(ExchangeCredentials, exchange, with_for_update=True)
    if row is not None:
        edit(row)
        session.flush()
    return row


def delete(session: Session, exchange: str) -> bool:
    """Delete the credentials of an exchange; False if there are none."""
    row = session.get(ExchangeCredentials, exchange, with_for_update=True)
    if row is None:
        return False
    session.delete(row)
    return True


def record_test(
    session: Session, exchange: str, updated_at: datetime, outcome: str, at: datetime
) -> None:
    """Record the outcome of a key test unless the keys were changed since `updated_at`."""
    row = session.get(ExchangeCredentials, exchange, with_for_update=True)
    if row is not None and row.updated_at == updated_at:
        row.test_outcome, row.tested_at = outcome, at


def reencrypt_all(session: Session, rotate: Callable[[str], str]) -> int:
    """Replace each ciphertext by `rotate` of it; return their number."""
    rows = list(session.scalars(select(ExchangeCredentials).with_for_update()))
    for row in rows:
        row.sealed = rotate(row.sealed)
    return len(rows)
