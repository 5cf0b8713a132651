"""Queries on authenticator apps (encrypted TOTP seeds) and digests of recovery codes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from backend.errors import LastSecondFactor
from backend.schemas.auth import Role
from backend.store import users
from backend.store.models import RecoveryCode, SecondFactor, User
from backend.store.passkey_models import Passkey

MAX_FAILURES = 5
LOCKOUT = timedelta(minutes=15)

Outcome = Literal["accepted", "wrong", "locked", "none"]
MatchStep = Callable[[str, int], "Match | None"]
"""Match a code, given the encrypted seed and the last step that was used."""


class Match(NamedTuple):
    """Time step of a code that is right, and the encrypted seed to store from now on."""

    step: int
    sealed: str


def insert_unconfirmed(session: Session, user_id: str, sealed: str, at: datetime) -> bool:
    """Insert a seed that is still to be confirmed; False if one is in force already."""
    user = users.lock(session, user_id)
    kept = session.get(SecondFactor, user_id)
    if user is None or (kept is not None and kept.confirmed):
        return False
    session.execute(delete(SecondFactor).where(SecondFactor.user_id == user_id))
    session.add(SecondFactor(user_id=user_id, sealed=sealed, created_at=at))
    return True


def confirm(
    session: Session, user_id: str, match: MatchStep, recovery: Iterable[str], at: datetime
) -> Outcome:
    """Put a seed in force if a code of it matches.

    The digests of new recovery codes replace those that came with a passkey.
    """
    user = users.lock(session, user_id)
    kept = session.get(SecondFactor, user_id, with_for_update=True)
    if user is None or kept is None or kept.confirmed:
        return "none"
    outcome = _try(session, kept, match, (), at)
    if outcome == "accepted":
        user.second_factor, kept.confirmed = True, True
        session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
        session.add_all(RecoveryCode(digest=digest, user_id=user_id) for digest in recovery)
    return outcome


def verify(
    session: Session, user_id: str, match: MatchStep, recovery: Sequence[str], at: datetime
) -> Outcome:
    """Verify a TOTP code, or spend the recovery code that has one of these digests.

    A TOTP code is valid once, and no earlier one after it unless the clock was set back. After
    `MAX_FAILURES` wrong codes in a row all are refused for `LOCKOUT`; a recovery code that is
    spent already is no guess, and does not count. Recovery codes of a user without an app have
    79 bits and no lock.
    """
    # the row lock serializes two concurrent uses of one code: only the first succeeds
    kept = session.get(SecondFactor, user_id, with_for_update=True)
    if kept is not None and kept.confirmed:
        return _try(session, kept, match, recovery, at)
    code = _recovery_code(session, user_id, recovery)
    if code is None or code.used_at is not None:
        return "wrong"
    code.used_at = at
    return "accepted"


def has_app(session: Session, user_id: str) -> bool:
    """Return whether a user has an authenticator app in force."""
    kept = session.get(SecondFactor, user_id)
    return kept is not None and kept.confirmed


def remove_app(session: Session, user_id: str, demanding: frozenset[Role]) -> User | None:
    """Delete a user's authenticator app; None if there is no such user.

    Raises `LastSecondFactor` when it is the last factor and the user's role is in `demanding`.
    """
    user = users.lock(session, user_id)
    if user is not None:
        session.execute(delete(SecondFactor).where(SecondFactor.user_id == user_id))
        settle(session, user, demanding)
    return user


def disable(session: Session, user_id: str) -> User | None:
    """Delete all second factors of a user; None if there is no such user."""
    user = users.lock(session, user_id)
    if user is not None:
        session.execute(delete(SecondFactor).where(SecondFactor.user_id == user_id))
        session.execute(delete(Passkey).where(Passkey.user_id == user_id))
        settle(session, user, frozenset())
    return user


def settle(session: Session, user: User, demanding: frozenset[Role]) -> None:
    """Bring a locked user's flag and recovery codes into line after a factor was deleted.

    Raises `LastSecondFactor` when none is left of a user whose role is in `demanding`.
    """
    passkey = select(Passkey.id).where(Passkey.user_id == user.id).limit(1)
    if has_app(session, user.id) or session.scalar(passkey) is not None:
        return
    if user.second_factor and user.role in demanding:
        raise LastSecondFactor(f"the role {user.role} has to keep one; set up another first")
    user.second_factor = False
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))


def reencrypt_all(session: Session, rotate: Callable[[str], str]) -> int:
    """Replace each encrypted seed by `rotate` of it; return their number."""
    rows = list(session.scalars(select(SecondFactor).with_for_update()))
    for row in rows:
        row.sealed = rotate(row.sealed)
    return len(rows)


def _try(
    session: Session, kept: SecondFactor, match: MatchStep, recovery: Sequence[str], at: datetime
) -> Outcome:
    # a lock of a clock that ran ahead would last until the clock gets there again
    if kept.locked_until is not None and at < kept.locked_until <= at + LOCKOUT:
        return "locked"
    found = match(kept.sealed, kept.last_step)
    if found is not None:
        kept.last_step, kept.sealed, kept.failures = found.step, found.sealed, 0
        return "accepted"
    code = _recovery_code(session, kept.user_id, recovery)
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
