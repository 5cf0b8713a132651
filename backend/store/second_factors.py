"""Queries on second factors: encrypted TOTP seeds and digests of recovery codes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from backend.store import users
from backend.store.models import RecoveryCode, SecondFactor, User

MAX_FAILURES = 5
LOCKOUT = timedelta(minutes=15)

Outcome = Literal["accepted", "wrong", "locked", "none"]
MatchStep = Callable[[str, int], int | None]
"""Return the time step of a code, given the encrypted seed and the last step that was used."""


def insert_unconfirmed(session: Session, user_id: str, sealed: str, at: datetime) -> bool:
    """Insert a seed that is still to be confirmed; False if one is active already."""
    user = users.lock(session, user_id)
    if user is None or user.second_factor:
        return False
    _delete(session, user_id)
    session.add(SecondFactor(user_id=user_id, sealed=sealed, created_at=at))
    return True


def confirm(
    session: Session, user_id: str, match: MatchStep, recovery: Iterable[str], at: datetime
) -> Outcome:
    """Activate a seed if a code of it matches, and insert the digests of recovery codes."""
    user = users.lock(session, user_id)
    if user is None or user.second_factor:
        return "none"
    outcome = _try(session, user_id, match, (), at)
    if outcome == "accepted":
        user.second_factor = True
        session.add_all(RecoveryCode(digest=digest, user_id=user_id) for digest in recovery)
    return outcome


def verify(
    session: Session, user_id: str, match: MatchStep, recovery: Sequence[str], at: datetime
) -> Outcome:
    """Verify a TOTP code, or spend the recovery code that has one of these digests.

    A TOTP code is valid once, and no earlier one after it. After `MAX_FAILURES` wrong
    codes in a row all are refused for `LOCKOUT`; a recovery code that is spent already is no
    guess, and does not count.
    """
    return _try(session, user_id, match, recovery, at)


def disable(session: Session, user_id: str) -> User | None:
    """Delete a user's second factor; None if there is no such user."""
    user = users.lock(session, user_id)
    if user is not None:
        user.second_factor = False
        _delete(session, user_id)
    return user


def reencrypt_all(session: Session, rotate: Callable[[str], str]) -> int:
    """Replace each encrypted seed by `rotate` of it; return their number."""
    rows = list(session.scalars(select(SecondFactor).with_for_update()))
    for row in rows:
        row.sealed = rotate(row.sealed)
    return len(rows)


def _try(
    session: Session, user_id: str, match: MatchStep, recovery: Sequence[str], at: datetime
) -> Outcome:
    # the row lock serialises two concurrent uses of one code: only the first succeeds
    kept = session.get(SecondFactor, user_id, with_for_update=True)
    if kept is None:
        return "none"
    if kept.locked_until is not None and kept.locked_until > at:
        return "locked"
    step = match(kept.sealed, kept.last_step)
    if step is not None:
        kept.last_step, kept.failures = step, 0
        return "accepted"
    code = _recovery_code(session, user_id, recovery)
    if code is not None:
        if code.used_at is not None:
            return "wrong"
        code.used_at, kept.failures = at, 0
        return "accepted"
    kept.failures += 1
    if kept.failures >= MAX_FAILURES:
        kept.failures, kept.locked_until = 0, at + LOCKOUT
    return "wrong"


def _recovery_code(session: Session, user_id: str, digests: Sequence[str]) -> RecoveryCode | None:
    query = select(RecoveryCode).where(
        RecoveryCode.user_id == user_id, RecoveryCode.digest.in_(digests)
    )
    return session.scalar(query.with_for_update())


def _delete(session: Session, user_id: str) -> None:
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    session.execute(delete(SecondFactor).where(SecondFactor.user_id == user_id))
