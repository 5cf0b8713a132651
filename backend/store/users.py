"""Queries on users."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.schemas.auth import Role
from backend.store.models import User


class NewUser(NamedTuple):
    """Values of a new user."""

    username: str
    password_hash: str
    role: Role
    created_at: datetime
    email: str | None = None
    must_change_password: bool = False
    name: str | None = None
    phone: str | None = None
    invited_by: str | None = None
    password_fits_admin: bool = False
    email_verified: bool = False


def find_by_name(session: Session, username: str) -> User | None:
    """Return the user with this name, in lower case."""
    return session.scalar(select(User).where(User.username == username))


def find_by_email(session: Session, email: str) -> User | None:
    """Return the user with this email address, in lower case."""
    return session.scalar(select(User).where(User.email == email))


def lock_inviter(session: Session, referral_code: str) -> User | None:
    """Return the enabled user with this referral code, who stays until the transaction ends."""
    query = select(User).where(User.referral_code == referral_code, User.disabled_at.is_(None))
    return session.scalar(query.with_for_update(read=True, key_share=True))


def count_referrals(session: Session) -> dict[str, int]:
    """Return how many users each user has invited, without those who invited none."""
    query = select(User.invited_by, func.count()).group_by(User.invited_by)
    rows = session.execute(query.where(User.invited_by.is_not(None)))
    return {inviter: count for inviter, count in rows if inviter}


def get(session: Session, user_id: str) -> User | None:
    """Return the user with this id."""
    return session.get(User, user_id)


def lock(session: Session, user_id: str) -> User | None:
    """Return the user and lock its row until the transaction ends."""
    return session.get(User, user_id, with_for_update=True)


def list_enabled(session: Session) -> Sequence[User]:
    """Return all users that are not disabled."""
    return session.scalars(select(User).where(User.disabled_at.is_(None))).all()


def list_by_name(
    session: Session, limit: int, after: str | None = None, *, invited_by: str | None = None
) -> Sequence[User]:
    """Return users ordered by name: those after the name `after`, all or one inviter's."""
    query = select(User).order_by(User.username).limit(limit)
    if invited_by is not None:
        query = query.where(User.invited_by == invited_by)
    if after is not None:
        query = query.where(User.username > after)
    return session.scalars(query).all()


def insert(session: Session, new: NewUser) -> User:
    """Insert a user; raises IntegrityError when the name or the address is taken."""
    user = User(**new._asdict(), password_changed_at=new.created_at, disabled_at=None)
    session.add(user)
    session.flush()
    return user


def exists(session: Session) -> bool:
    """Return whether there is at least one user."""
    return session.scalar(select(User.id).limit(1)) is not None
