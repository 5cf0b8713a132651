"""Transactions of login, logout and password change, on users and refresh tokens."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy.orm import Session

from backend.store import login_networks, refresh_tokens, revocations, users
from backend.store.models import User
from backend.store.refresh_tokens import NO_DEVICE, Device, NewToken


class Login(NamedTuple):
    """Login with a right password: its first token, network and device.

    `rehashed` replaces a hash of outdated parameters.
    """

    token: NewToken
    network: str
    device: Device = NO_DEVICE
    rehashed: str | None = None
    password_fits_admin: bool = False


def create(session: Session, seen: User, login: Login) -> str | None:
    """Insert a family for a user whose password was just verified, and return its id.

    None if the user was disabled, deleted or got another password since `seen` was read.
    """
    user = _unchanged(session, seen)
    if user is None:
        return None
    user.password_hash = login.rehashed or user.password_hash
    user.password_fits_admin = user.password_fits_admin or login.password_fits_admin
    login_networks.record(session, user.id, login.network, login.token.created_at)
    return refresh_tokens.insert_family(session, user.id, login.token, login.device)


def end(
    session: Session,
    token_id: str,
    expires_at: datetime,
    user_id: str,
    digest: str | None,
    at: datetime,
) -> str | None:
    """Revoke an access token and the family of a refresh token of the same user."""
    revocations.insert_or_ignore(session, token_id, expires_at)
    family_id = refresh_tokens.find_family(session, digest, user_id) if digest else None
    if family_id is not None:
        refresh_tokens.revoke_families(session, [family_id], at)
    return family_id


class PasswordReplacement(NamedTuple):
    """New password of a user, and the session that it opens on a device."""

    password_hash: str
    fits_admin: bool
    token: NewToken
    device: Device


def replace_password(
    session: Session, seen: User, new: PasswordReplacement
) -> tuple[User, str] | None:
    """Set a password, revoke all families of the user and insert a new one.

    Returns the user and the new family; None if the user changed since
    `seen` was read.
    """
    user = _unchanged(session, seen)
    if user is None:
        return None
    user.password_hash = new.password_hash
    user.password_fits_admin = new.fits_admin
    user.password_changed_at = new.token.created_at
    # promoted since the password was checked against the rules for the role
    user.must_change_password = user.role == "admin" and not new.fits_admin
    refresh_tokens.revoke_user_families(session, user.id, new.token.created_at)
    return user, refresh_tokens.insert_family(session, user.id, new.token, new.device)


def delete_expired(session: Session, before: datetime) -> None:
    """Delete tokens, families and revocations that expired before a time."""
    refresh_tokens.delete_expired(session, before)
    login_networks.delete_expired(session, before)
    revocations.delete_expired(session, before)


def _unchanged(session: Session, seen: User) -> User | None:
    user = users.lock(session, seen.id)
    if user is None or user.disabled_at is not None:
        return None
    return user if user.password_changed_at == seen.password_changed_at else None
