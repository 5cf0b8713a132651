"""Refresh families: single-use tokens, each the successor of the one before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from sqlalchemy import delete, exists, select, update
from sqlalchemy.orm import Session

from backend.store import users
from backend.store.models import RefreshFamily, RefreshToken, User

Outcome = Literal["rotated", "reused", "expired", "refused"]


class NewToken(NamedTuple):
    """A refresh token about to be kept: its SHA-256, its life, and who asked for it."""

    digest: str
    created_at: datetime
    expires_at: datetime
    address: str
    user_agent: str


class Rotation(NamedTuple):
    """What became of a presented refresh token, and whose it was."""

    outcome: Outcome
    family_id: str | None = None
    user: User | None = None


def open_family(session: Session, user_id: str, token: NewToken) -> str:
    """Start a family with its first token and return its id."""
    family = RefreshFamily(user_id=user_id, created_at=token.created_at, revoked_at=None)
    session.add(family)
    session.flush()
    _append(session, family.id, token)
    return family.id


def rotate(session: Session, digest: str, successor: NewToken) -> Rotation:
    """Spend a token and put its successor in its place.

    Of two calls with one token exactly one gets `rotated`; the row lock
    (SQLite: the write lock) makes the other wait and see it spent. A spent
    token means that two hold it: the whole family is revoked then.
    """
    token = session.get(RefreshToken, digest, with_for_update=True)
    if token is None:
        return Rotation("refused")
    family = session.get_one(RefreshFamily, token.family_id)
    user = users.get(session, family.user_id)
    if token.spent_at is not None:
        revoke(session, [family.id], successor.created_at)
        return Rotation("reused", family.id, user)
    if family.revoked_at is not None or user is None or user.disabled_at is not None:
        return Rotation("refused", family.id, user)
    if token.expires_at <= successor.created_at:
        return Rotation("expired", family.id, user)
    token.spent_at = successor.created_at
    _append(session, family.id, successor)
    return Rotation("rotated", family.id, user)


def of_token(session: Session, digest: str, user_id: str) -> str | None:
    """Return the family that a user's refresh token belongs to, spent or not."""
    return session.scalar(
        select(RefreshFamily.id)
        .join(RefreshToken, RefreshToken.family_id == RefreshFamily.id)
        .where(RefreshToken.digest == digest, RefreshFamily.user_id == user_id)
    )


def revoke_of_user(session: Session, user_id: str, at: datetime) -> list[str]:
    """End all of a user's families and return those that had not ended before."""
    running = select(RefreshFamily.id).where(
        RefreshFamily.user_id == user_id, RefreshFamily.revoked_at.is_(None)
    )
    family_ids = list(session.scalars(running))
    revoke(session, family_ids, at)
    return family_ids


def revoke(session: Session, family_ids: Sequence[str], at: datetime) -> None:
    """End families; one that has ended already keeps its time."""
    session.execute(
        update(RefreshFamily)
        .where(RefreshFamily.id.in_(family_ids), RefreshFamily.revoked_at.is_(None))
        .values(revoked_at=at)
    )


def revoked_since(session: Session, since: datetime) -> list[tuple[str, datetime]]:
    """Return the families revoked at or after a time, with that time."""
    rows = session.execute(
        select(RefreshFamily.id, RefreshFamily.revoked_at).where(RefreshFamily.revoked_at >= since)
    )
    return [(family_id, revoked_at) for family_id, revoked_at in rows if revoked_at]


def prune(session: Session, before: datetime) -> None:
    """Forget tokens that expired before a time, and the families that are left without any."""
    session.execute(delete(RefreshToken).where(RefreshToken.expires_at < before))
    has_tokens = exists().where(RefreshToken.family_id == RefreshFamily.id)
    session.execute(delete(RefreshFamily).where(~has_tokens))


def _append(session: Session, family_id: str, token: NewToken) -> None:
    session.add(
        RefreshToken(
            digest=token.digest,
            family_id=family_id,
            created_at=token.created_at,
            expires_at=token.expires_at,
            spent_at=None,
            address=token.address,
            user_agent=token.user_agent,
        )
    )
