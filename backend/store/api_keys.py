"""Queries on API keys, which are stored as SHA-256 digests with a recognisable prefix."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from backend.pagination import RowCursor
from backend.store import users
from backend.store.models import ApiKey, User


class NewApiKey(NamedTuple):
    """Values of a new key; `scopes` and `networks` are separated by spaces."""

    user_id: str
    name: str
    prefix: str
    digest: str
    scopes: str
    networks: str
    created_at: datetime
    expires_at: datetime | None


def insert(session: Session, new: NewApiKey, max_keys: int) -> ApiKey | None:
    """Insert a key; None if its owner is gone or has `max_keys` already."""
    if users.lock(session, new.user_id) is None:
        return None
    owned = select(func.count()).select_from(ApiKey).where(ApiKey.user_id == new.user_id)
    if session.scalars(owned).one() >= max_keys:
        return None
    key = ApiKey(**new._asdict())
    session.add(key)
    session.flush()
    return key


def list_usable(session: Session, now: datetime) -> list[tuple[ApiKey, User]]:
    """Return the unexpired keys of enabled users, each with its owner."""
    query = (
        select(ApiKey, User)
        .join(User, User.id == ApiKey.user_id)
        .where(
            User.disabled_at.is_(None), or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now)
        )
    )
    return [(key, user) for key, user in session.execute(query)]


def list_for_user(
    session: Session, user_id: str, limit: int, before: RowCursor | None = None
) -> Sequence[ApiKey]:
    """Return a user's keys, newest first, those older than `before`."""
    query = (
        select(ApiKey)
        .where(ApiKey.user_id == user_id)
        .order_by(ApiKey.created_at.desc(), ApiKey.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(tuple_(ApiKey.created_at, ApiKey.id) < before)
    return session.scalars(query).all()


def record_use(session: Session, key_id: str, at: datetime, address: str) -> None:
    """Record when and from which address a key was last used."""
    session.execute(
        update(ApiKey).where(ApiKey.id == key_id).values(last_used_at=at, last_address=address)
    )


def delete(session: Session, key_id: str, user_id: str) -> bool:
    """Delete a user's key; False if they have none with this id."""
    key = session.get(ApiKey, key_id, with_for_update=True)
    if key is None or key.user_id != user_id:
        return False
    session.delete(key)
    return True
