"""Transactions of login, logout and password change, on users and refresh tokens."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from backend.store import login_networks, refresh_tokens, revocations, users
from backend.store.models import User
from backend.store.refresh_tokens import NewToken


def create(
    session: Session, seen: User, rehashed: str | None, token: NewToken, network: str
) -> str | None:
    """Insert a family for a user whose password was just verified, and return its id.

    None if the user was disabled, deleted or got another password since `seen` was
    read. `rehashed` replaces a hash of outdated parameters.
    """
    user = _unchanged(session, seen)
    if user is None:
        return None
    if rehashed is not None:
        user.password_hash = rehashed
    login_networks.record(session, user.id, network, token.created_at)
    return refresh_tokens.insert_family(session, user.id, token)


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


def replace_password(
    session: Session, seen: User, password_hash: str, token: NewToken
) -> tuple[User, str] | None:
    """Set a password, revoke all families of the user and insert a new one.

    Returns the user and the new family; None if the user changed since
    `seen` was read.
    """
    user = _unchanged(session, seen)
    if user is None:
        return None
    user.password_hash = password_hash
    user.password_changed_at = token.created_at
    user.must_change_password = False
    refresh_tokens.revoke_user_families(session, user.id, token.created_at)
    return user, refresh_tokens.insert_family(session, user.id, token)


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
