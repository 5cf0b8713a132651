"""What a login, a logout, a new password do to users and families: one transaction each."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from backend.store import refresh_tokens as families
from backend.store import revocations, users
from backend.store.models import User
from backend.store.refresh_tokens import NewToken


def start(session: Session, seen: User, rehashed: str | None, token: NewToken) -> str | None:
    """Start a family for a user whose password was just checked, and return its id.

    None when the user was disabled, removed or given another password since
    `seen` was read. `rehashed` replaces a hash of outdated parameters.
    """
    user = _unchanged(session, seen)
    if user is None:
        return None
    if rehashed is not None:
        user.password_hash = rehashed
    return families.open_family(session, user.id, token)


def end(
    session: Session,
    token_id: str,
    expires_at: datetime,
    user_id: str,
    digest: str | None,
    at: datetime,
) -> str | None:
    """End an access token and the family that a refresh token of the same user belongs to."""
    revocations.add(session, token_id, expires_at)
    family_id = families.of_token(session, digest, user_id) if digest else None
    if family_id is not None:
        families.revoke(session, [family_id], at)
    return family_id


def replace_password(
    session: Session, seen: User, password_hash: str, token: NewToken
) -> tuple[User, str] | None:
    """Set a password, end all the user's families and start a new one.

    Returns the user and the new family; None when the user changed since
    `seen` was read.
    """
    user = _unchanged(session, seen)
    if user is None:
        return None
    user.password_hash = password_hash
    user.password_changed_at = token.created_at
    user.must_change_password = False
    families.revoke_of_user(session, user.id, token.created_at)
    return user, families.open_family(session, user.id, token)


def prune(session: Session, before: datetime) -> None:
    """Forget what expired before a time and so can matter to no token."""
    families.prune(session, before)
    revocations.prune(session, before)


def _unchanged(session: Session, seen: User) -> User | None:
    user = users.lock(session, seen.id)
    if user is None or user.disabled_at is not None:
        return None
    return user if user.password_changed_at == seen.password_changed_at else None
