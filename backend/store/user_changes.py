"""What an admin does to a user: one transaction each."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.errors import LastAdmin
from backend.schemas.auth import Role
from backend.store import refresh_tokens as families
from backend.store import users
from backend.store.models import User


class Change(NamedTuple):
    """What is to become of a user; None leaves a thing as it is, the email `""` removes it."""

    role: Role | None = None
    disabled: bool | None = None
    must_change_password: bool | None = None
    password_hash: str | None = None
    email: str | None = None


def change(session: Session, user_id: str, wanted: Change, at: datetime) -> User | None:
    """Change a user; None when there is none of this id.

    All sessions end with a new password and when the user is disabled. Raises
    `LastAdmin` when no admin would be left who may log in, and IntegrityError
    when the address is taken.
    """
    stays_admin = wanted.role in (None, "admin") and not wanted.disabled
    user = _lock_beside_admin(session, user_id, leaves_admins=not stays_admin)
    if user is None:
        return None
    user.role = wanted.role or user.role
    if wanted.must_change_password is not None:
        user.must_change_password = wanted.must_change_password
    if wanted.email is not None:
        user.email = wanted.email or None
    if wanted.password_hash is not None:
        user.password_hash, user.password_changed_at = wanted.password_hash, at
    if wanted.disabled is not None:
        user.disabled_at = (user.disabled_at or at) if wanted.disabled else None
    if wanted.disabled or wanted.password_hash is not None:
        families.revoke_of_user(session, user_id, at)
    session.flush()
    return user


def remove(session: Session, user_id: str) -> bool:
    """Delete a user with all refresh families; False when there is none of this id.

    Raises `LastAdmin` when no admin would be left who may log in.
    """
    user = _lock_beside_admin(session, user_id, leaves_admins=True)
    if user is None:
        return False
    session.delete(user)
    return True


def _lock_beside_admin(session: Session, user_id: str, *, leaves_admins: bool) -> User | None:
    """Lock a user; one who leaves the admins must leave another one behind.

    All admins are locked first and in one order: of the last two, who leave at
    the same moment, the second sees that it is alone.
    """
    if leaves_admins:
        admins = session.scalars(
            select(User.id)
            .where(User.role == "admin", User.disabled_at.is_(None))
            .order_by(User.id)
            .with_for_update()
        ).all()
        if list(admins) == [user_id]:
            raise LastAdmin("the last admin who may log in stays one")
    return users.lock(session, user_id)
