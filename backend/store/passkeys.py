"""Queries on passkeys and their challenges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.orm import Session

from backend.pagination import RowCursor
from backend.schemas.auth import Role
from backend.store import second_factors, users
from backend.store.models import RecoveryCode, User
from backend.store.passkey_models import Passkey, PasskeyChallenge

MOST_PER_USER = 20
MOST_CHALLENGES = 20
LIFETIME = timedelta(minutes=5)

Purpose = Literal["register", "login", "step-up"]
Refusal = Literal["unknown_challenge", "unknown_passkey", "wrong", "copied"]
Check = Callable[[Passkey], int | None]
"""Return the counter of a response that was made with a passkey, None for a wrong response."""


class Challenge(NamedTuple):
    """Challenge as its SHA-256, bound to a user, a purpose and a session ("" before the login)."""

    digest: str
    user_id: str
    purpose: Purpose
    session_id: str


class NewPasskey(NamedTuple):
    """Values of a new passkey; `transports` are separated by spaces."""

    user_id: str
    credential_id: str
    public_key: bytes
    sign_count: int
    transports: str
    name: str
    backed_up: bool
    created_at: datetime


def issue(session: Session, challenge: Challenge, at: datetime) -> None:
    """Insert a challenge; of the user's others the newest `MOST_CHALLENGES` stay."""
    session.execute(delete(PasskeyChallenge).where(PasskeyChallenge.expires_at <= at))
    session.add(PasskeyChallenge(**challenge._asdict(), expires_at=at + LIFETIME))
    session.flush()
    surplus = (
        select(PasskeyChallenge.digest)
        .where(PasskeyChallenge.user_id == challenge.user_id)
        .order_by(PasskeyChallenge.expires_at.desc())
        .offset(MOST_CHALLENGES)
    )
    digests = list(session.scalars(surplus))
    session.execute(delete(PasskeyChallenge).where(PasskeyChallenge.digest.in_(digests)))


def take(session: Session, challenge: Challenge, at: datetime) -> bool:
    """Delete a challenge; False if it was not issued for this, was used or has expired."""
    taken = (
        delete(PasskeyChallenge)
        .where(
            PasskeyChallenge.digest == challenge.digest,
            PasskeyChallenge.user_id == challenge.user_id,
            PasskeyChallenge.purpose == challenge.purpose,
            PasskeyChallenge.session_id == challenge.session_id,
            PasskeyChallenge.expires_at > at,
        )
        .returning(PasskeyChallenge.digest)
    )
    return session.scalar(taken) is not None


def insert(session: Session, new: NewPasskey, recovery: Sequence[str]) -> Passkey | None:
    """Insert a passkey; raises IntegrityError when its credential id is registered already.

    `recovery` are the digests of recovery codes, inserted with a user's first second factor.
    None if the user is gone, has `MOST_PER_USER`, or would be left without recovery codes.
    """
    user = users.lock(session, new.user_id)
    if user is None or count(session, new.user_id) >= MOST_PER_USER:
        return None
    if not user.second_factor:
        if not recovery:
            return None
        session.add_all(RecoveryCode(digest=digest, user_id=user.id) for digest in recovery)
        user.second_factor = True
    passkey = Passkey(**new._asdict())
    session.add(passkey)
    session.flush()
    return passkey


def use(
    session: Session, challenge: Challenge, credential_id: str, check: Check, at: datetime
) -> Refusal | None:
    """Take a challenge and check the response to it; return why it is refused.

    The challenge is spent in any case. A counter that does not grow means that the passkey
    was copied; passkeys that do not count always send zero.
    """
    if not take(session, challenge, at):
        return "unknown_challenge"
    query = select(Passkey).where(
        Passkey.credential_id == credential_id, Passkey.user_id == challenge.user_id
    )
    # the row lock serializes two responses of one passkey: each sees the other's counter
    passkey = session.scalar(query.with_for_update())
    if passkey is None:
        return "unknown_passkey"
    sign_count = check(passkey)
    if sign_count is None:
        return "wrong"
    if (sign_count or passkey.sign_count) and sign_count <= passkey.sign_count:
        return "copied"
    passkey.sign_count, passkey.last_used_at = sign_count, at
    return None


def count(session: Session, user_id: str) -> int:
    """Return how many passkeys a user has."""
    query = select(func.count()).select_from(Passkey).where(Passkey.user_id == user_id)
    return session.scalars(query).one()


def list_all(session: Session, user_id: str) -> Sequence[Passkey]:
    """Return all passkeys of a user, newest first."""
    return list_page(session, user_id, MOST_PER_USER)


def list_page(
    session: Session, user_id: str, limit: int, before: RowCursor | None = None
) -> Sequence[Passkey]:
    """Return a user's passkeys, newest first, those older than `before`."""
    query = (
        select(Passkey)
        .where(Passkey.user_id == user_id)
        .order_by(Passkey.created_at.desc(), Passkey.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(tuple_(Passkey.created_at, Passkey.id) < before)
    return session.scalars(query).all()


def rename(session: Session, passkey_id: str, user_id: str, name: str) -> Passkey | None:
    """Rename a user's passkey; None if they have none with this id."""
    passkey = session.get(Passkey, passkey_id, with_for_update=True)
    if passkey is None or passkey.user_id != user_id:
        return None
    passkey.name = name
    session.flush()
    return passkey


def remove(
    session: Session, passkey_id: str, user_id: str, demanding: frozenset[Role]
) -> User | None:
    """Delete a user's passkey; None if they have none with this id.

    Raises `LastSecondFactor` when it is the last factor and the user's role is in `demanding`.
    """
    user = users.lock(session, user_id)
    passkey = session.get(Passkey, passkey_id)
    if user is None or passkey is None or passkey.user_id != user_id:
        return None
    session.delete(passkey)
    session.flush()
    second_factors.settle(session, user, demanding)
    return user
