"""Users as they are kept."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.schemas.auth import Role
from backend.store.models import User


def find(session: Session, username: str) -> User | None:
    """Return the user of this name, in lower case."""
    return session.scalar(select(User).where(User.username == username))


def get(session: Session, user_id: str) -> User | None:
    """Return the user of this id."""
    return session.get(User, user_id)


def lock(session: Session, user_id: str) -> User | None:
    """Return the user and keep others from changing it until the transaction ends."""
    return session.get(User, user_id, with_for_update=True)


def all_enabled(session: Session) -> list[User]:
    """Return all who may log in."""
    return list(session.scalars(select(User).where(User.disabled_at.is_(None))))


def add(
    session: Session, username: str, password_hash: str, role: Role, created_at: datetime
) -> User:
    """Create a user; raises IntegrityError when the name is taken."""
    user = User(
        username=username,
        password_hash=password_hash,
        password_changed_at=created_at,
        role=role,
        created_at=created_at,
        disabled_at=None,
    )
    session.add(user)
    session.flush()
    return user


def any_exists(session: Session) -> bool:
    """Whether there is at least one user."""
    return session.scalar(select(User.id).limit(1)) is not None


def remove(session: Session, user_id: str) -> bool:
    """Delete a user with all refresh families; False when there is none of this id."""
    user = lock(session, user_id)
    if user is None:
        return False
    session.delete(user)
    return True
