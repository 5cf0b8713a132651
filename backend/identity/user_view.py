"""Conversion of stored users to the API's model."""

from __future__ import annotations

from backend.identity.roles import SCOPES
from backend.schemas.auth import User
from backend.store import models


def user_view(user: models.User) -> User:
    """Return a stored user without password hash and other internals."""
    return User(
        id=user.id,
        username=user.username,
        role=user.role,
        scopes=sorted(SCOPES[user.role]),
        email=user.email,
        name=user.name,
        phone=user.phone,
        status="active" if user.disabled_at is None else "disabled",
        disabled=user.disabled_at is not None,
        is_admin=user.role == "admin",
        referral_code=user.referral_code,
        invited_by=user.invited_by,
        must_change_password=user.must_change_password,
        second_factor=user.second_factor,
        created_at=user.created_at,
    )
