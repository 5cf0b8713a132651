"""The caller's own user: shown and changed by themselves."""

from __future__ import annotations

from backend.errors import InvalidToken
from backend.identity.principal import Principal
from backend.identity.store_sync import StoreSync
from backend.schemas.auth import CurrentUser, ProfileChange
from backend.schemas.common import utc_now
from backend.store import user_changes
from backend.store.user_changes import UserUpdate


class Profiles:
    """Shows and changes the profiles of callers. All methods may be called from any thread."""

    def __init__(self, store_sync: StoreSync) -> None:
        self._sync = store_sync
        self._token_status = store_sync.token_status

    def get(self, principal: Principal) -> CurrentUser:
        """Return the caller as a user, with the scopes of the token or key."""
        user = self._token_status.user(principal.user_id)
        if user is None:
            raise InvalidToken
        shown = user.model_dump() | {"scopes": sorted(principal.scopes)}
        return CurrentUser(**shown, referrals=self._token_status.count_referrals(user.id))

    def change(self, principal: Principal, wanted: ProfileChange) -> CurrentUser:
        """Change the caller's name or phone number."""
        update = UserUpdate(name=wanted.name, phone=wanted.phone)
        if self._sync.change(user_changes.update, principal.user_id, update, utc_now()) is None:
            raise InvalidToken
        return self.get(principal)
