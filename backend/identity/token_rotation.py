"""Rotation of refresh tokens, with a grace in which a spent token gives its successor again.

A successor is an HMAC of the token it replaces, under a key that is derived from the one that
signs access tokens. So it can be made again from what the client sends, and the store has
digests only.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from backend.errors import InvalidToken, TokenExpired, TokenReused
from backend.identity.signing_keys import SigningKey
from backend.identity.token_status import TokenStatus
from backend.identity.tokens import hash_refresh_token, new_refresh_token
from backend.schemas.auth import Role
from backend.schemas.common import utc_now
from backend.settings.model import Settings
from backend.store import Database, models, refresh_tokens
from backend.store.refresh_tokens import NewToken, Repeat, Rotation

REMEMBERED_ADMIN = timedelta(days=7)
_PURPOSE = b"successor of a refresh token"


class Rotated(NamedTuple):
    """Successor of a refresh token, with its session and user."""

    refresh_token: str
    session_id: str
    user: models.User


class TokenRotation:
    """Issues and rotates refresh tokens. All methods may be called from any thread."""

    def __init__(
        self,
        settings: Settings,
        keys: Sequence[SigningKey],
        database: Database,
        token_status: TokenStatus,
    ) -> None:
        self._shortest = timedelta(seconds=settings.refresh_expiry)
        self._remembered = max(self._shortest, timedelta(seconds=settings.remember_expiry))
        self._longest = timedelta(seconds=settings.session_lifetime)
        self._grace = timedelta(seconds=settings.refresh_grace)
        # the first one derives; a successor of before a key rotation is found by the others
        self._keys = [
            hmac.new(key.secret.encode(), _PURPOSE, hashlib.sha256).digest() for key in keys
        ]
        self._database = database
        self._token_status = token_status

    def issue(
        self, address: str, user_agent: str, role: Role, *, remembered: bool
    ) -> tuple[str, NewToken]:
        """Return a random refresh token and what the store keeps of it."""
        token, now = new_refresh_token(), utc_now()
        expires_at = now + min(self._lifetime(role, remembered), self._longest)
        return token, NewToken(hash_refresh_token(token), now, expires_at, address, user_agent)

    def rotate(self, refresh_token: str, address: str, user_agent: str) -> Rotated:
        """Exchange a refresh token for its successor.

        While that is unused, and for the grace, the same token gets the same successor: of two
        tabs both go on, and so does a client whose answer was lost. Raises `TokenReused` for a
        spent token otherwise, and revokes its session; `TokenExpired` or `InvalidToken` for one
        that is not valid.
        """
        now = utc_now()
        successors = [_successor(key, refresh_token) for key in self._keys]
        digest = hash_refresh_token(successors[0])
        # the store sets the time when it expires: it knows the session
        stored = NewToken(digest, now, now + self._shortest, address, user_agent)
        by_digest = {hash_refresh_token(token): token for token in successors}
        found = self._database.write(
            refresh_tokens.rotate,
            hash_refresh_token(refresh_token),
            stored,
            Repeat(self._grace, tuple(by_digest)),
            self._lifetime,
            self._longest,
        )
        if found.user is None or found.family_id is None or found.successor is None:
            raise self._refusal(found, now)
        return Rotated(by_digest[found.successor], found.family_id, found.user)

    def _lifetime(self, role: Role, remembered: bool) -> timedelta:
        if not remembered:
            return self._shortest
        if role == "admin":
            return max(self._shortest, min(self._remembered, REMEMBERED_ADMIN))
        return self._remembered

    def _refusal(self, found: Rotation, now: datetime) -> InvalidToken:
        username = found.user.username if found.user else None
        if found.outcome == "reused" and found.family_id:
            self._token_status.revoke_sessions([(found.family_id, now)])
            return TokenReused("the session is over; log in again", username=username)
        if found.outcome == "expired":
            return TokenExpired(username=username)
        return InvalidToken(username=username)


def _successor(key: bytes, refresh_token: str) -> str:
    digest = hmac.new(key, refresh_token.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
