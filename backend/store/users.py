"""Users as they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.schemas.auth import Role
from backend.store.models import User


class NewUser(NamedTuple):
    """A user about to be kept."""

    username: str
    password_hash: str
    role: Role
    created_at: datetime
    email: str | None = None
    must_change_password: bool = False


def find(session: Session, username: str) -> User | None:
    """Return the user of this name, in lower case."""
    return session.scalar(select(User).where(User.username == username))


def find_by_email(session: Session, email: str) -> User | None:
    """Return the user of this address, in lower case."""
    return session.scalar(select(User).where(User.email == email))


def get(session: Session, user_id: str) -> User | None:
    """Return the user of this id."""
    return session.get(User, user_id)


def lock(session: Session, user_id: str) -> User | None:
    """Return the user and keep others from changing it until the transaction ends."""
    return session.get(User, user_id, with_for_update=True)


def all_enabled(session: Session) -> Sequence[User]:
    """Return all who may log in."""
    return session.scalars(select(User).where(User.disabled_at.is_(None))).all()


def by_name(session: Session, limit: int, after: str | None = None) -> Sequence[User]:
    """Return users in the order of their names, those behind the name `after`."""
    query = select(User).order_by(User.username).limit(limit)
    if after is not None:
        query = query.where(User.username > after)
    return session.scalars(query).all()


def add(session: Session, new: NewUser) -> User:
    """Create a user; raises IntegrityError when the name or the address is taken."""
    user = User(**new._asdict(), password_changed_at=new.created_at, disabled_at=None)
    session.add(user)
    session.flush()
    return user


def any_exists(session: Session) -> bool:
    """Whether there is at least one user."""
    return session.scalar(select(User.id).limit(1)) is not None
