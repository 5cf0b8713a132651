"""Principal: the authenticated caller of a request, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from backend.schemas.auth import Role


@dataclass(frozen=True, slots=True)
class Principal:
    """The bearer of a valid access token or API key.

    `session_id` is the session of the login, or the key's id. `authenticated_at` is the
    time when their password or second factor was verified for this token.
    """

    user_id: str
    username: str
    role: Role
    scopes: frozenset[str]
    token_id: str
    session_id: str
    expires_at: datetime
    authenticated_at: datetime | None = None
    key_prefix: str | None = None

    @property
    def is_api_key(self) -> bool:
        """Whether they authenticated by an API key rather than by a login."""
        return self.key_prefix is not None

    @property
    def actor(self) -> str:
        """The name in the audit: the username, and the prefix of an API key."""
        return self.username if self.key_prefix is None else f"{self.username} {self.key_prefix}"
