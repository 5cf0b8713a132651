"""Which tokens still count, in memory: a request must not need the database to know."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from backend.identity.key_holder import KeyHolder, holder
from backend.identity.principal import Principal
from backend.identity.user_view import user_view
from backend.schemas.auth import User
from backend.schemas.common import utc_now
from backend.settings.model import LONGEST_TOKEN_EXPIRY_S
from backend.store import api_keys, revocations, users
from backend.store import identity_version as changes
from backend.store import refresh_tokens as families

# how long after its session was ended an access token could still be unexpired
LONGEST_LIFE = timedelta(seconds=LONGEST_TOKEN_EXPIRY_S)


class TokenStatus:
    """The users who may act, and the tokens and sessions that were ended early.

    Reads take no lock; writers replace what they change.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._users: dict[str, User] = {}
        self._ended: dict[str, datetime] = {}
        self._keys: dict[str, KeyHolder] = {}
        self._key_ids: frozenset[str] = frozenset()
        self.number = -1

    def load(self, session: Session) -> None:
        """Take over what the store says; of two loads the one that read last stays."""
        with self._loading:
            number, now = changes.number(session), utc_now()
            known = {user.id: user_view(user) for user in users.all_enabled(session)}
            self.end(revocations.alive(session, now))
            self.end_sessions(families.revoked_since(session, now - LONGEST_LIFE))
            keys = {key.digest: holder(key, user) for key, user in api_keys.usable(session, now)}
            self._keys = keys
            self._key_ids = frozenset(found.principal.token_id for found in keys.values())
            self._users, self.number = known, number

    def end(self, ids: Iterable[tuple[str, datetime]]) -> None:
        """End tokens or sessions by id, to be remembered until no token of theirs can be alive."""
        now = utc_now()
        with self._lock:
            kept = {key: until for key, until in self._ended.items() if until > now}
            self._ended = kept | dict(ids)

    def end_sessions(self, sessions: Iterable[tuple[str, datetime]]) -> None:
        """End sessions by id, each with the time when it was ended."""
        self.end((session_id, at + LONGEST_LIFE) for session_id, at in sessions)

    def user(self, user_id: str) -> User | None:
        """Return a user who may act."""
        return self._users.get(user_id)

    def key_holder(self, key_digest: str) -> KeyHolder | None:
        """Return who may act by the API key of this SHA-256."""
        return self._keys.get(key_digest)

    def allows(self, principal: Principal) -> bool:
        """Whether neither token nor session was ended and the user still has that role."""
        user = self._users.get(principal.user_id)
        return (
            user is not None
            and user.role == principal.role
            and (not principal.by_key or principal.token_id in self._key_ids)
            and principal.token_id not in self._ended
            and principal.session_id not in self._ended
        )

    def must_change_password(self, principal: Principal) -> bool:
        """Whether a user may do nothing but set a password of their own."""
        user = self._users.get(principal.user_id)
        return user is not None and user.must_change_password
