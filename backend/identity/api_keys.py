"""API keys: created for scripts and apps, returned once, verified in memory."""

from __future__ import annotations

import hashlib
import secrets

from backend.errors import (
    AddressNotAllowed,
    Conflict,
    FieldError,
    InvalidApiKey,
    NotFound,
    ValidationFailed,
)
from backend.identity.principal import Principal
from backend.identity.roles import SCOPES
from backend.identity.store_sync import StoreSync
from backend.pagination import decode_row_cursor, make_page
from backend.schemas.api_keys import ApiKey, CreatedApiKey, NewApiKey
from backend.schemas.auth import Role
from backend.schemas.common import Page, PageQuery, utc_now
from backend.store import Database, api_keys, models

MAX_KEYS_PER_USER = 100
MAX_KEY_LENGTH = 100
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
_LIST = "api_keys"


class ApiKeys:
    """Creates, lists and revokes API keys. All methods may be called from any thread."""

    def __init__(self, database: Database, store_sync: StoreSync) -> None:
        self._database = database
        self._sync = store_sync

    def create(self, user_id: str, role: Role, new_key: NewApiKey) -> CreatedApiKey:
        """Create a key for a user and return it; it is never returned again.

        Raises `ValidationFailed` for scopes that the owner's role lacks or an expiry in
        the past, and `Conflict` when the owner has too many.
        """
        _check_scopes_and_expiry(role, new_key)
        prefix = "obk_" + "".join(secrets.choice(_LETTERS) for _ in range(8))
        key = f"{prefix}_{secrets.token_urlsafe(32)}"
        stored = self._sync.change(
            api_keys.insert,
            api_keys.NewApiKey(
                user_id=user_id,
                name=new_key.name,
                prefix=prefix,
                digest=hash_api_key(key),
                scopes=" ".join(sorted(set(new_key.scopes))),
                networks=" ".join(new_key.networks),
                created_at=utc_now(),
                expires_at=new_key.expires_at,
            ),
            MAX_KEYS_PER_USER,
        )
        if stored is None:
            raise Conflict(f"a user has at most {MAX_KEYS_PER_USER} API keys")
        return CreatedApiKey(key=key, **_api_key_view(stored).model_dump())

    def verify(self, key: str, address: str) -> Principal:
        """Return the owner of an API key; raises `InvalidApiKey` or `AddressNotAllowed`."""
        found = None
        if len(key) <= MAX_KEY_LENGTH and key.isascii():
            found = self._sync.token_status.api_key(hash_api_key(key))
        if found is None:
            raise InvalidApiKey("there is no such key")
        principal = found.principal
        if principal.expires_at <= utc_now():
            raise InvalidApiKey("the key has expired", username=principal.username)
        if not found.allows_address(address):
            raise AddressNotAllowed("the key may not be used from this address")
        return principal

    def page(self, user_id: str, query: PageQuery) -> Page[ApiKey]:
        """Return a page of a user's keys, newest first."""
        before = decode_row_cursor(_LIST, query.cursor)
        self._sync.write_last_used()
        rows = self._database.read(api_keys.list_for_user, user_id, query.limit + 1, before)
        return make_page(_LIST, rows, query, _api_key_view)

    def revoke(self, user_id: str, key_id: str) -> None:
        """Revoke a user's key at once; raises `NotFound` for another user's."""
        if not self._sync.change(api_keys.delete, key_id, user_id):
            raise NotFound("no such API key")


def hash_api_key(key: str) -> str:
    """Return the SHA-256 under which a key is stored; it is too random to be inverted."""
    return hashlib.sha256(key.encode()).hexdigest()


def _check_scopes_and_expiry(role: Role, new_key: NewApiKey) -> None:
    missing = sorted(set(new_key.scopes) - SCOPES[role])
    if missing:
        message = f"the role {role} lacks {', '.join(missing)}"
        raise ValidationFailed(fields=[FieldError("scopes", message)])
    if new_key.expires_at is not None and new_key.expires_at <= utc_now():
        raise ValidationFailed(fields=[FieldError("expires_at", "must be in the future")])


def _api_key_view(key: models.ApiKey) -> ApiKey:
    return ApiKey(
        id=key.id,
        name=key.name,
        prefix=key.prefix,
        scopes=key.scopes.split(),
        networks=key.networks.split(),
        created_at=key.created_at,
        expires_at=key.expires_at,
        last_used_at=key.last_used_at,
        last_address=key.last_address,
    )
