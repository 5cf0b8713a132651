"""In-memory status of users, tokens and API keys: verifying a request needs no database."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy.orm import Session

from backend.identity.api_key_principal import ApiKeyPrincipal, api_key_principal
from backend.identity.principal import Principal
from backend.identity.user_view import user_view
from backend.schemas.auth import User
from backend.schemas.common import utc_now
from backend.settings.model import MAX_TOKEN_EXPIRY_S
from backend.store import api_keys, identity_version, refresh_tokens, revocations, users

# how long after its session was revoked an access token could still be unexpired
MAX_TOKEN_LIFETIME = timedelta(seconds=MAX_TOKEN_EXPIRY_S)
CLOCK_ERROR = timedelta(days=2)
"""The error of a machine's clock that revives nothing which was revoked, once it is set right."""


class _Revocation(NamedTuple):
    until: datetime
    kept_until: float


class TokenStatus:
    """Enabled users, usable API keys, and the tokens and sessions revoked before they expired.

    Reads take no lock; writers replace the data that they change.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._load_lock = threading.Lock()
        self._users: dict[str, User] = {}
        self._revoked: dict[str, _Revocation] = {}
        self._referrals: dict[str, int] = {}
        self._api_keys: dict[str, ApiKeyPrincipal] = {}
        self._api_key_ids: frozenset[str] = frozenset()
        self.version = -1

    def load(self, session: Session) -> None:
        """Load the store's state; of two concurrent loads the one that read last wins."""
        with self._load_lock:
            version, now = identity_version.get(session), utc_now()
            enabled = {user.id: user_view(user) for user in users.list_enabled(session)}
            since = now - MAX_TOKEN_LIFETIME - CLOCK_ERROR
            self.revoke(revocations.list_unexpired(session, now - CLOCK_ERROR))
            self.revoke_sessions(refresh_tokens.list_revoked_since(session, since))
            usable = api_keys.list_usable(session, now)
            keys = {key.digest: api_key_principal(key, user) for key, user in usable}
            self._api_keys = keys
            self._api_key_ids = frozenset(found.principal.token_id for found in keys.values())
            self._referrals = users.count_referrals(session)
            self._users, self.version = enabled, version

    def revoke(self, ids: Iterable[tuple[str, datetime]]) -> None:
        """Revoke tokens or sessions by id, each until the time when no token of it is unexpired.

        They are kept for as long as a token lives by the monotonic clock as well: the wall
        clock may run ahead and be set right.
        """
        now, clock = utc_now(), time.monotonic()
        kept_until = clock + MAX_TOKEN_LIFETIME.total_seconds()
        with self._lock:
            kept = {
                key: revocation
                for key, revocation in self._revoked.items()
                if revocation.until > now or revocation.kept_until > clock
            }
            self._revoked = kept | {key: _Revocation(until, kept_until) for key, until in ids}

    def revoke_sessions(self, sessions: Iterable[tuple[str, datetime]]) -> None:
        """Revoke sessions by id, each with the time of its revocation."""
        self.revoke((session_id, at + MAX_TOKEN_LIFETIME) for session_id, at in sessions)

    def user(self, user_id: str) -> User | None:
        """Return an enabled user."""
        return self._users.get(user_id)

    def count_referrals(self, user_id: str) -> int:
        """Return how many users a user has invited."""
        return self._referrals.get(user_id, 0)

    def api_key(self, key_digest: str) -> ApiKeyPrincipal | None:
        """Return the principal of the API key with this SHA-256."""
        return self._api_keys.get(key_digest)

    def is_valid(self, principal: Principal) -> bool:
        """Return whether token and session are unrevoked and the user still has that role."""
        user = self._users.get(principal.user_id)
        return (
            user is not None
            and user.role == principal.role
            and (not principal.is_api_key or principal.token_id in self._api_key_ids)
            and principal.token_id not in self._revoked
            and principal.session_id not in self._revoked
        )

    def must_change_password(self, principal: Principal) -> bool:
        """Return whether a user has to change their password before anything else."""
        user = self._users.get(principal.user_id)
        return user is not None and user.must_change_password
