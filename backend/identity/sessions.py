"""The sessions of a user: where they are logged in, and ending them."""

from __future__ import annotations

import re

from backend.errors import NotFound
from backend.identity.principal import Principal
from backend.identity.store_sync import StoreSync
from backend.pagination import page, place
from backend.schemas.auth import OpenSession
from backend.schemas.common import Page, PageQuery, utc_now
from backend.store import Database, users
from backend.store import refresh_tokens as families
from backend.store.refresh_tokens import OpenFamily

_LONGEST_DEVICE = 60
_SYSTEMS = re.compile(r"iPhone|iPad|Android|Windows|Mac OS X|CrOS|Linux")
_BROWSERS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "FxiOS/": "Firefox",
    "Firefox/": "Firefox",
    "CriOS/": "Chrome",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
}
_KIND = "sessions"


class Sessions:
    """The logins of users. All methods may be called from any thread."""

    def __init__(self, database: Database, watch: StoreSync) -> None:
        self._database = database
        self._watch = watch

    def page(self, user_id: str, asking: Principal, query: PageQuery) -> Page[OpenSession]:
        """List where a user is logged in, the newest login first; raises `NotFound`."""
        before = place(_KIND, query.cursor)
        self._require(user_id)
        self._watch.write_uses()
        rows = self._database.read(
            families.open_of_user, user_id, utc_now(), query.limit + 1, before
        )
        return page(_KIND, rows, query, lambda row: _shown(row, asking))

    def end(self, user_id: str, session_id: str) -> None:
        """End one of a user's sessions; raises `NotFound` for another's."""
        if not self._watch.change(families.revoke_one, session_id, user_id, utc_now()):
            raise NotFound("no such session")

    def end_all(self, user_id: str) -> None:
        """End all sessions of a user; raises `NotFound`."""
        self._require(user_id)
        self._watch.change(families.revoke_of_user, user_id, utc_now())

    def _require(self, user_id: str) -> None:
        if self._database.read(users.get, user_id) is None:
            raise NotFound("no such user")


def device(user_agent: str) -> str:
    """Shorten what a client says of itself to what its owner knows it by."""
    system = _SYSTEMS.search(user_agent)
    # a browser claims to be those that came before it too: the first of these is the true one
    browser = next((name for mark, name in _BROWSERS.items() if mark in user_agent), None)
    if system is None or browser is None:
        return user_agent.split(" ")[0][:_LONGEST_DEVICE] or "unknown"
    return f"{browser} on {system[0].replace('Mac OS X', 'Mac')}"


def _shown(row: OpenFamily, principal: Principal) -> OpenSession:
    return OpenSession(
        id=row.id,
        device=device(row.user_agent),
        address=row.address,
        current=row.id == principal.session_id,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
    )
