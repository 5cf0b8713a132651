"""Login, tokens and the caller's own account."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from backend.schemas.common import Model, RequestModel, UtcTime

Role = Literal["viewer", "trader", "admin"]


class Login(RequestModel):
    """Credentials."""

    username: str = Field(min_length=1, max_length=64, examples=["admin"])
    password: str = Field(min_length=1, max_length=256, examples=["correct horse battery staple"])


class Refresh(RequestModel):
    """The refresh token of the last login or refresh."""

    refresh_token: str = Field(min_length=1, max_length=512)


class Logout(RequestModel):
    """Optionally the refresh token, so that its whole family ends too."""

    refresh_token: str | None = Field(None, min_length=1, max_length=512)


class SessionEnd(Model):
    """What a logout ended: the access token alone, or the session with all its tokens."""

    ended: Literal["token", "session"]


class PasswordChange(RequestModel):
    """The present password and the one to come."""

    current_password: str = Field(min_length=1, max_length=256)
    new_password: str = Field(
        min_length=10, max_length=256, examples=["correct horse battery staple"]
    )


class User(Model):
    """A person or program that may log in."""

    id: str
    username: str
    role: Role
    scopes: list[str]
    created_at: UtcTime


class Tokens(Model):
    """What a login or refresh gives."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the name of the scheme
    expires_in: int = Field(description="Seconds until the access token expires.")
    refresh_token: str
    user: User
