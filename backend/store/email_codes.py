"""Queries on mailed codes: valid for 10 minutes, and few for each address and network.

A code belongs to the network that requested it. What others request or try does not use up what
that network may, so nobody keeps the owner of an address from a code.
"""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from backend.store.models import EmailCode

Purpose = Literal["register", "reset"]

LIFETIME = timedelta(minutes=10)
CLOCK_DRIFT = timedelta(minutes=1)
MAX_ATTEMPTS = 5
MAX_PER_HOUR = 3
MAX_PER_HOUR_OF_ALL = 12


class NewCode(NamedTuple):
    """Code to be mailed: its digest, and the network that requested it.

    `is_known` when the user of the address has logged in from that network before.
    """

    purpose: Purpose
    email: str
    digest: str
    network: str
    is_known: bool
    at: datetime


class Attempt(NamedTuple):
    """Code that a user entered, as its digest."""

    purpose: Purpose
    email: str
    digest: str
    network: str
    at: datetime


def issue(session: Session, new: NewCode) -> bool:
    """Insert a code, which supersedes the previous one of its network; False at a limit.

    These are `MAX_PER_HOUR` for a network, and `MAX_PER_HOUR_OF_ALL` for an address, unless its
    user has logged in from the network before.
    """
    session.execute(delete(EmailCode).where(EmailCode.created_at < new.at - timedelta(days=1)))
    recent = select(EmailCode.network).where(
        *_matches(new.purpose, new.email), _issued_within(timedelta(hours=1), new.at)
    )
    networks = list(session.scalars(recent))
    if networks.count(new.network) >= MAX_PER_HOUR:
        return False
    if len(networks) >= MAX_PER_HOUR_OF_ALL and not new.is_known:
        return False
    session.add(
        EmailCode(
            purpose=new.purpose,
            email=new.email,
            digest=new.digest,
            network=new.network,
            created_at=new.at,
        )
    )
    return True


def verify(session: Session, attempt: Attempt) -> str | None:
    """Return the id of the matching code, or count a failed attempt and return None.

    The code is the newest that the attempt's network requested, else the newest of all: a
    phone may have changed networks. Attempts from other networks are counted apart.
    """
    code = _newest(session, attempt, EmailCode.network == attempt.network)
    is_own = code is not None
    code = code or _newest(session, attempt)
    if code is None or code.spent_at is not None:
        return None
    if (code.tries if is_own else code.foreign_tries) >= MAX_ATTEMPTS:
        return None
    if hmac.compare_digest(code.digest, attempt.digest):
        return code.id
    _count(code, attempt.network)
    return None


def count_failure(session: Session, code_id: str, network: str) -> None:
    """Count a right code as a failed attempt: something else that came with it was a guess."""
    code = session.get(EmailCode, code_id, with_for_update=True)
    if code is not None:
        _count(code, network)


def _count(code: EmailCode, network: str) -> None:
    if code.network == network:
        code.tries += 1
    else:
        code.foreign_tries += 1


def _newest(
    session: Session, attempt: Attempt, *conditions: ColumnElement[bool]
) -> EmailCode | None:
    query = (
        select(EmailCode)
        .where(
            *_matches(attempt.purpose, attempt.email),
            _issued_within(LIFETIME, attempt.at),
            *conditions,
        )
        .order_by(EmailCode.created_at.desc())
        .limit(1)
        .with_for_update()
    )
    return session.scalar(query)


def mark_spent(session: Session, code_id: str, at: datetime) -> bool:
    """Mark a code as spent; False if it was spent already."""
    code = session.get(EmailCode, code_id, with_for_update=True)
    if code is None or code.spent_at is not None:
        return False
    code.spent_at = at
    return True


def _issued_within(age: timedelta, now: datetime) -> ColumnElement[bool]:
    """Leave out what was issued by a clock that ran ahead and was set right since."""
    return EmailCode.created_at.between(now - age, now + CLOCK_DRIFT)


def _matches(purpose: Purpose, email: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return EmailCode.purpose == purpose, EmailCode.email == email
