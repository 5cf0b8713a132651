"""Queries on refresh tokens and their families: rotation, reuse detection, revocation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from sqlalchemy import delete, exists, select, tuple_, update
from sqlalchemy.orm import Session

from backend.pagination import RowCursor
from backend.schemas.auth import Role
from backend.store import users
from backend.store.models import RefreshFamily, RefreshToken, User

Outcome = Literal["rotated", "repeated", "reused", "expired", "refused"]
Lifetime = Callable[[Role, bool], timedelta]
"""Return the life of a refresh token by its user's role, and whether its family is remembered."""


class NewToken(NamedTuple):
    """Values of a new token: its SHA-256, lifetime, and the client that requested it."""

    digest: str
    created_at: datetime
    expires_at: datetime
    address: str
    user_agent: str


class Device(NamedTuple):
    """Device of a login: its name, and whether its user asked to be remembered there."""

    name: str | None = None
    remembered: bool = False


NO_DEVICE = Device()


class OpenFamily(NamedTuple):
    """Family with a usable token, and when and from where it was last used."""

    id: str
    created_at: datetime
    last_used_at: datetime
    address: str
    user_agent: str
    expires_at: datetime
    device: Device


class Repeat(NamedTuple):
    """Grace in which a spent token gives its successor, and the digests that one may have."""

    grace: timedelta
    successors: tuple[str, ...]


NO_REPEAT = Repeat(timedelta(0), ())


class Rotation(NamedTuple):
    """Outcome of presenting a refresh token: its family, its user, its successor's digest."""

    outcome: Outcome
    family_id: str | None = None
    user: User | None = None
    successor: str | None = None


def insert_family(
    session: Session, user_id: str, token: NewToken, device: Device = NO_DEVICE
) -> str:
    """Insert a family with its first token and return its id."""
    family = RefreshFamily(
        user_id=user_id,
        created_at=token.created_at,
        revoked_at=None,
        device_name=device.name,
        remembered=device.remembered,
    )
    session.add(family)
    session.flush()
    _append(session, family.id, token)
    return family.id


def device_of(session: Session, family_id: str) -> Device:
    """Return the device of a family."""
    family = session.get(RefreshFamily, family_id)
    return NO_DEVICE if family is None else Device(family.device_name, family.remembered)


def rotate(
    session: Session,
    digest: str,
    successor: NewToken,
    repeat: Repeat = NO_REPEAT,
    lifetime: Lifetime | None = None,
    longest: timedelta | None = None,
) -> Rotation:
    """Spend a token and insert its successor, which lives as long as `lifetime` says.

    No token of a family outlives the family's beginning by more than `longest`.

    Of several calls with one token exactly one gets `rotated`; the row lock (SQLite: the write
    lock) makes the others wait and see it spent. They get `repeated` within the grace, while the
    successor is unused. After that a spent token means that two clients hold it: the whole
    family is revoked then.
    """
    token = session.get(RefreshToken, digest, with_for_update=True)
    if token is None:
        return Rotation("refused")
    family = session.get_one(RefreshFamily, token.family_id)
    user = users.get(session, family.user_id)
    is_over = family.revoked_at is not None or user is None or user.disabled_at is not None
    if token.spent_at is not None:
        now = successor.created_at
        unused = None if is_over else _unused_successor(session, token, now, repeat)
        if unused is not None:
            return Rotation("repeated", family.id, user, unused.digest)
        revoke_families(session, [family.id], now)
        return Rotation("reused", family.id, user)
    if is_over:
        return Rotation("refused", family.id, user)
    life = lifetime(user.role, family.remembered) if lifetime and user else None
    ends_at = None if longest is None else family.created_at + longest
    if _expiry(token, family, life, ends_at) <= successor.created_at:
        return Rotation("expired", family.id, user)
    successor = _with_expiry(successor, life, ends_at)
    token.spent_at = successor.created_at
    _append(session, family.id, successor)
    return Rotation("rotated", family.id, user, successor.digest)


def _expiry(
    token: RefreshToken, family: RefreshFamily, life: timedelta | None, ends_at: datetime | None
) -> datetime:
    """Return when a token ends: of a remembered family the role or the setting may have changed."""
    expires_at = token.expires_at
    if life is not None and family.remembered:
        expires_at = min(expires_at, token.created_at + life)
    return min(expires_at, ends_at or expires_at)


def _with_expiry(token: NewToken, life: timedelta | None, ends_at: datetime | None) -> NewToken:
    expires_at = token.expires_at if life is None else token.created_at + life
    return token._replace(expires_at=min(expires_at, ends_at or expires_at))


def _unused_successor(
    session: Session, spent: RefreshToken, now: datetime, repeat: Repeat
) -> RefreshToken | None:
    """Return the successor that a spent token may still be exchanged for.

    The time that passed counts in both directions: a clock that was set back by hours must not
    prolong the grace.
    """
    if spent.spent_at is None or abs(now - spent.spent_at) >= repeat.grace:
        return None
    query = select(RefreshToken).where(
        RefreshToken.digest.in_(repeat.successors),
        RefreshToken.family_id == spent.family_id,
        RefreshToken.spent_at.is_(None),
        RefreshToken.expires_at > now,
    )
    return session.scalar(query)


def find_family(session: Session, digest: str, user_id: str) -> str | None:
    """Return the family that a user's refresh token belongs to, spent or not."""
    return session.scalar(
        select(RefreshFamily.id)
        .join(RefreshToken, RefreshToken.family_id == RefreshFamily.id)
        .where(RefreshToken.digest == digest, RefreshFamily.user_id == user_id)
    )


def family_of(session: Session, digest: str) -> str | None:
    """Return the family that a refresh token belongs to, spent or not."""
    return session.scalar(select(RefreshToken.family_id).where(RefreshToken.digest == digest))


def list_open_families(
    session: Session, user_id: str, now: datetime, limit: int, before: RowCursor | None = None
) -> list[OpenFamily]:
    """Return a user's families with a usable token, newest first, those older than `before`."""
    query = (
        select(RefreshFamily, RefreshToken)
        .join(RefreshToken, RefreshToken.family_id == RefreshFamily.id)
        .where(
            RefreshFamily.user_id == user_id,
            RefreshFamily.revoked_at.is_(None),
            RefreshToken.spent_at.is_(None),
            RefreshToken.expires_at > now,
        )
        .order_by(RefreshFamily.created_at.desc(), RefreshFamily.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(tuple_(RefreshFamily.created_at, RefreshFamily.id) < before)
    return [_opened(family, token) for family, token in session.execute(query)]


def record_use(session: Session, family_id: str, at: datetime, address: str) -> None:
    """Record when and from which address a family's access token was last used."""
    session.execute(
        update(RefreshFamily)
        .where(RefreshFamily.id == family_id)
        .values(last_used_at=at, last_address=address)
    )


def revoke_family(session: Session, family_id: str, user_id: str, at: datetime) -> bool:
    """Revoke one family of a user; False if they have none with this id that is not revoked."""
    family = session.get(RefreshFamily, family_id, with_for_update=True)
    if family is None or family.user_id != user_id or family.revoked_at is not None:
        return False
    family.revoked_at = at
    return True


def revoke_user_families(session: Session, user_id: str, at: datetime) -> list[str]:
    """Revoke all families of a user and return those that were not revoked before."""
    running = select(RefreshFamily.id).where(
        RefreshFamily.user_id == user_id, RefreshFamily.revoked_at.is_(None)
    )
    family_ids = list(session.scalars(running))
    revoke_families(session, family_ids, at)
    return family_ids


def revoke_families(session: Session, family_ids: Sequence[str], at: datetime) -> None:
    """Revoke families; one that is revoked already keeps its time."""
    session.execute(
        update(RefreshFamily)
        .where(RefreshFamily.id.in_(family_ids), RefreshFamily.revoked_at.is_(None))
        .values(revoked_at=at)
    )


def list_revoked_since(session: Session, since: datetime) -> list[tuple[str, datetime]]:
    """Return the families revoked at or after a time, with that time."""
    rows = session.execute(
        select(RefreshFamily.id, RefreshFamily.revoked_at).where(RefreshFamily.revoked_at >= since)
    )
    return [(family_id, revoked_at) for family_id, revoked_at in rows if revoked_at]


def delete_expired(session: Session, before: datetime) -> None:
    """Delete tokens that expired before a time, and families without tokens."""
    session.execute(delete(RefreshToken).where(RefreshToken.expires_at < before))
    has_tokens = exists().where(RefreshToken.family_id == RefreshFamily.id)
    session.execute(delete(RefreshFamily).where(~has_tokens))


def _opened(family: RefreshFamily, token: RefreshToken) -> OpenFamily:
    # it was last used when its newest token was issued, or later
    used_at = max(family.last_used_at or token.created_at, token.created_at)
    is_newer = family.last_used_at is not None and family.last_used_at >= token.created_at
    address = family.last_address if is_newer and family.last_address else token.address
    device = Device(family.device_name, family.remembered)
    return OpenFamily(
        family.id, family.created_at, used_at, address, token.user_agent, token.expires_at, device
    )


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
