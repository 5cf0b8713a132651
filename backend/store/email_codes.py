"""Codes sent by mail: ten minutes, five tries, and a few an hour for each address."""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session

from backend.store.models import EmailCode

Purpose = Literal["register", "reset"]

LIFE = timedelta(minutes=10)
MOST_TRIES = 5
MOST_AN_HOUR = 3


class Attempt(NamedTuple):
    """A code that somebody typed, as its digest."""

    purpose: Purpose
    email: str
    digest: str
    at: datetime


def issue(session: Session, purpose: Purpose, email: str, digest: str, at: datetime) -> bool:
    """Keep a code, which supersedes the one before; False when there were too many of late."""
    session.execute(delete(EmailCode).where(EmailCode.created_at < at - timedelta(days=1)))
    of_late = (
        select(func.count())
        .select_from(EmailCode)
        .where(*_whose(purpose, email), EmailCode.created_at > at - timedelta(hours=1))
    )
    if session.scalars(of_late).one() >= MOST_AN_HOUR:
        return False
    session.add(EmailCode(purpose=purpose, email=email, digest=digest, created_at=at))
    return True


def check(session: Session, attempt: Attempt) -> str | None:
    """Return the id of the code that was typed, or count a wrong try and return None."""
    newest = (
        select(EmailCode)
        .where(*_whose(attempt.purpose, attempt.email))
        .order_by(EmailCode.created_at.desc())
        .limit(1)
        .with_for_update()
    )
    code = session.scalar(newest)
    if code is None or code.spent_at is not None or code.created_at <= attempt.at - LIFE:
        return None
    if code.tries >= MOST_TRIES:
        return None
    if not hmac.compare_digest(code.digest, attempt.digest):
        code.tries += 1
        return None
    return code.id


def spend(session: Session, code_id: str, at: datetime) -> bool:
    """Spend a code; False when another was quicker."""
    code = session.get(EmailCode, code_id, with_for_update=True)
    if code is None or code.spent_at is not None:
        return False
    code.spent_at = at
    return True


def _whose(purpose: Purpose, email: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return EmailCode.purpose == purpose, EmailCode.email == email
