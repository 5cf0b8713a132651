"""Transactions of user administration: update and delete, never of the last admin."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.errors import LastAdmin
from backend.schemas.auth import Role
from backend.store import refresh_tokens, users
from backend.store.models import User


class UserUpdate(NamedTuple):
    """Changes of a user; None leaves a field as it is, `""` removes email, name or phone."""

    role: Role | None = None
    disabled: bool | None = None
    must_change_password: bool | None = None
    password_hash: str | None = None
    email: str | None = None
    name: str | None = None
    phone: str | None = None
    password_fits_admin: bool = False


def update(session: Session, user_id: str, changes: UserUpdate, at: datetime) -> User | None:
    """Update a user; None if there is none with this id.

    A new password or disabling the user revokes all sessions. A new admin has to replace a
    password that is not known to meet the rules for admins. Raises `LastAdmin` when no
    enabled admin would remain, and IntegrityError when the address is taken.
    """
    stays_admin = changes.role in (None, "admin") and not changes.disabled
    user = _lock_unless_last_admin(session, user_id, leaves_admins=not stays_admin)
    if user is None:
        return None
    # until an admin's password is known to be good enough for one, it stays to be replaced
    must_stay = user.must_change_password or (changes.role == "admin" and user.role != "admin")
    user.role = changes.role or user.role
    if changes.must_change_password is not None:
        user.must_change_password = changes.must_change_password
    _set_profile(user, changes)
    if changes.password_hash is not None:
        user.password_hash, user.password_changed_at = changes.password_hash, at
        user.password_fits_admin = changes.password_fits_admin
    if must_stay and user.role == "admin" and not user.password_fits_admin:
        user.must_change_password = True
    if changes.disabled is not None:
        user.disabled_at = (user.disabled_at or at) if changes.disabled else None
    if changes.disabled or changes.password_hash is not None:
        refresh_tokens.revoke_user_families(session, user_id, at)
    session.flush()
    return user


def _set_profile(user: User, changes: UserUpdate) -> None:
    if changes.email is not None:
        user.email_verified = user.email_verified and changes.email == user.email
        user.email = changes.email or None
    if changes.name is not None:
        user.name = changes.name or None
    if changes.phone is not None:
        user.phone = changes.phone or None


def delete(session: Session, user_id: str) -> bool:
    """Delete a user with all refresh families; False if there is none with this id.

    Raises `LastAdmin` when no enabled admin would remain.
    """
    user = _lock_unless_last_admin(session, user_id, leaves_admins=True)
    if user is None:
        return False
    session.delete(user)
    return True


def _lock_unless_last_admin(session: Session, user_id: str, *, leaves_admins: bool) -> User | None:
    """Lock a user; raises `LastAdmin` if they cease to be an admin and no other one remains.

    All admins are locked first and in one order: of the last two, changed at the same
    moment, the second sees that it is the last.
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
