"""Who is calling: what a valid access token says, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from backend.schemas.auth import Role


@dataclass(frozen=True, slots=True)
class Principal:
    """The bearer of a valid access token or API key.

    `session_id` names the login that a token stems from, or the key. `proved_at`
    is when they last showed their password or second factor for this token.
    """

    user_id: str
    username: str
    role: Role
    scopes: frozenset[str]
    token_id: str
    session_id: str
    expires_at: datetime
    proved_at: datetime | None = None
    key_prefix: str | None = None

    @property
    def by_key(self) -> bool:
        """Whether an API key vouches for them, and no login."""
        return self.key_prefix is not None

    @property
    def actor(self) -> str:
        """Who acts, by name, and by which key if it is one."""
        return self.username if self.key_prefix is None else f"{self.username} {self.key_prefix}"
