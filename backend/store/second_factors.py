"""Second factors as they are kept: an encrypted seed, and the SHA-256 of recovery codes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from backend.store import users
from backend.store.models import RecoveryCode, SecondFactor, User

MOST_FAILURES = 5
LOCKED_FOR = timedelta(minutes=15)

Outcome = Literal["accepted", "wrong", "locked", "none"]
Match = Callable[[str, int], int | None]
"""Given the encrypted seed and the last time step used, the later one that a code is of."""


def begin(session: Session, user_id: str, sealed: str, at: datetime) -> bool:
    """Keep a seed that is still to be confirmed; False when one is in force already."""
    user = users.lock(session, user_id)
    if user is None or user.second_factor:
        return False
    _forget(session, user_id)
    session.add(SecondFactor(user_id=user_id, sealed=sealed, created_at=at))
    return True


def confirm(
    session: Session, user_id: str, match: Match, recovery: Iterable[str], at: datetime
) -> Outcome:
    """Put a seed in force, if a code of it was shown, with digests of recovery codes."""
    user = users.lock(session, user_id)
    if user is None or user.second_factor:
        return "none"
    outcome = _try(session, user_id, match, None, at)
    if outcome == "accepted":
        user.second_factor = True
        session.add_all(RecoveryCode(digest=digest, user_id=user_id) for digest in recovery)
    return outcome


def use(
    session: Session, user_id: str, match: Match, recovery_digest: str, at: datetime
) -> Outcome:
    """Take a code of the app, or a recovery code, which works once.

    The same code of the app does not work twice, nor does an earlier one. After
    five wrong ones in a row none is taken for a quarter of an hour.
    """
    return _try(session, user_id, match, recovery_digest, at)


def remove(session: Session, user_id: str) -> User | None:
    """Put a user's second factor out of force; None when there is no such user."""
    user = users.lock(session, user_id)
    if user is not None:
        user.second_factor = False
        _forget(session, user_id)
    return user


def rewrite(session: Session, seal: Callable[[str], str]) -> int:
    """Replace each encrypted seed by what `seal` makes of it; return how many there are."""
    rows = list(session.scalars(select(SecondFactor).with_for_update()))
    for row in rows:
        row.sealed = seal(row.sealed)
    return len(rows)


def _try(
    session: Session, user_id: str, match: Match, recovery_digest: str | None, at: datetime
) -> Outcome:
    # the row lock lets of two who show one code only the first in
    kept = session.get(SecondFactor, user_id, with_for_update=True)
    if kept is None:
        return "none"
    if kept.locked_until is not None and kept.locked_until > at:
        return "locked"
    step = match(kept.sealed, kept.last_step)
    if step is not None:
        kept.last_step, kept.failures = step, 0
        return "accepted"
    if recovery_digest is not None and _spend(session, user_id, recovery_digest, at):
        kept.failures = 0
        return "accepted"
    kept.failures += 1
    if kept.failures >= MOST_FAILURES:
        kept.failures, kept.locked_until = 0, at + LOCKED_FOR
    return "wrong"


def _spend(session: Session, user_id: str, digest: str, at: datetime) -> bool:
    code = session.get(RecoveryCode, digest, with_for_update=True)
    if code is None or code.user_id != user_id or code.used_at is not None:
        return False
    code.used_at = at
    return True


def _forget(session: Session, user_id: str) -> None:
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    session.execute(delete(SecondFactor).where(SecondFactor.user_id == user_id))
