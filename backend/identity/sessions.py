"""Login sessions of users: listing and revoking."""

from __future__ import annotations

import re

from backend.errors import NotFound
from backend.identity.principal import Principal
from backend.identity.store_sync import StoreSync
from backend.identity.tokens import hash_refresh_token
from backend.pagination import decode_row_cursor, make_page
from backend.schemas.auth import OpenSession
from backend.schemas.common import Page, PageQuery, utc_now
from backend.store import Database, refresh_tokens, users
from backend.store.refresh_tokens import OpenFamily

_MAX_DEVICE_LENGTH = 60
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
_LIST = "sessions"


class Sessions:
    """Lists and revokes login sessions. All methods may be called from any thread."""

    def __init__(self, database: Database, store_sync: StoreSync) -> None:
        self._database = database
        self._sync = store_sync

    def page(self, user_id: str, caller: Principal, query: PageQuery) -> Page[OpenSession]:
        """Return a page of a user's open sessions, newest login first; raises `NotFound`."""
        before = decode_row_cursor(_LIST, query.cursor)
        self._require_user(user_id)
        self._sync.write_last_used()
        rows = self._database.read(
            refresh_tokens.list_open_families, user_id, utc_now(), query.limit + 1, before
        )
        return make_page(_LIST, rows, query, lambda row: _session_view(row, caller))

    def find(self, refresh_token: str) -> str | None:
        """Return the id of the session that a refresh token belongs to, spent or not."""
        digest = hash_refresh_token(refresh_token)
        return self._database.read(refresh_tokens.family_of, digest)

    def revoke(self, user_id: str, session_id: str) -> None:
        """Revoke one of a user's sessions; raises `NotFound` for another user's."""
        if not self._sync.change(refresh_tokens.revoke_family, session_id, user_id, utc_now()):
            raise NotFound("no such session")

    def revoke_all(self, user_id: str) -> None:
        """Revoke all sessions of a user; raises `NotFound`."""
        self._require_user(user_id)
        self._sync.change(refresh_tokens.revoke_user_families, user_id, utc_now())

    def _require_user(self, user_id: str) -> None:
        if self._database.read(users.get, user_id) is None:
            raise NotFound("no such user")


def device_name(user_agent: str) -> str:
    """Return a short device name for a User-Agent header, such as `Firefox on Linux`."""
    system = _SYSTEMS.search(user_agent)
    # a browser also names its predecessors: the first match in this order is the right one
    browser = next((name for mark, name in _BROWSERS.items() if mark in user_agent), None)
    if system is None or browser is None:
        return user_agent.split(" ")[0][:_MAX_DEVICE_LENGTH] or "unknown"
    return f"{browser} on {system[0].replace('Mac OS X', 'Mac')}"


def _session_view(row: OpenFamily, principal: Principal) -> OpenSession:
    return OpenSession(
        id=row.id,
        device=row.device.name or device_name(row.user_agent),
        remembered=row.device.remembered,
        address=row.address,
        current=row.id == principal.session_id,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
    )
