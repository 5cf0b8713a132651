"""Queries on mailed codes: valid for 10 minutes and 5 attempts, 3 an hour for each address."""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session

from backend.store.models import EmailCode

Purpose = Literal["register", "reset"]

LIFETIME = timedelta(minutes=10)
MAX_ATTEMPTS = 5
MAX_PER_HOUR = 3


class Attempt(NamedTuple):
    """Code that a user entered, as its digest."""

    purpose: Purpose
    email: str
    digest: str
    at: datetime


def issue(session: Session, purpose: Purpose, email: str, digest: str, at: datetime) -> bool:
    """Insert a code, which supersedes the previous one; False at the hourly limit."""
    session.execute(delete(EmailCode).where(EmailCode.created_at < at - timedelta(days=1)))
    recent = (
        select(func.count())
        .select_from(EmailCode)
        .where(*_matches(purpose, email), EmailCode.created_at > at - timedelta(hours=1))
    )
    if session.scalars(recent).one() >= MAX_PER_HOUR:
        return False
    session.add(EmailCode(purpose=purpose, email=email, digest=digest, created_at=at))
    return True


def verify(session: Session, attempt: Attempt) -> str | None:
    """Return the id of the matching code, or count a failed attempt and return None."""
    newest = (
        select(EmailCode)
        .where(*_matches(attempt.purpose, attempt.email))
        .order_by(EmailCode.created_at.desc())
        .limit(1)
        .with_for_update()
    )
    code = session.scalar(newest)
    if code is None or code.spent_at is not None or code.created_at <= attempt.at - LIFETIME:
        return None
    if code.tries >= MAX_ATTEMPTS:
        return None
    if not hmac.compare_digest(code.digest, attempt.digest):
        code.tries += 1
        return None
    return code.id


def mark_spent(session: Session, code_id: str, at: datetime) -> bool:
    """Mark a code as spent; False if it was spent already."""
    code = session.get(EmailCode, code_id, with_for_update=True)
    if code is None or code.spent_at is not None:
        return False
    code.spent_at = at
    return True


def _matches(purpose: Purpose, email: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return EmailCode.purpose == purpose, EmailCode.email == email
