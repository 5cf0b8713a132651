"""Which tokens still count, in memory: a request must not need the database to know."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import datetime

from backend.identity.principals import Principal
from backend.schemas.auth import User
from backend.schemas.common import utc_now


class Standing:
    """The users who may act, and the tokens and sessions that were ended early.

    Reads take no lock; writers replace what they change.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users: dict[str, User] = {}
        self._ended: dict[str, datetime] = {}

    def admit(self, users: Iterable[User]) -> None:
        """Let users act, or take in what changed about them."""
        with self._lock:
            self._users = self._users | {user.id: user for user in users}

    def expel(self, user_id: str) -> None:
        """Let a user act no more, whatever tokens there are."""
        with self._lock:
            self._users = {key: user for key, user in self._users.items() if key != user_id}

    def end(self, ids: Iterable[tuple[str, datetime]]) -> None:
        """End tokens or sessions by id, to be remembered until no token of theirs can be alive."""
        now = utc_now()
        with self._lock:
            kept = {key: until for key, until in self._ended.items() if until > now}
            self._ended = kept | dict(ids)

    def user(self, user_id: str) -> User | None:
        """Return a user who may act."""
        return self._users.get(user_id)

    def allows(self, principal: Principal) -> bool:
        """Whether neither token nor session was ended and the user still has that role."""
        user = self._users.get(principal.user_id)
        return (
            user is not None
            and user.role == principal.role
            and principal.token_id not in self._ended
            and principal.session_id not in self._ended
        )
