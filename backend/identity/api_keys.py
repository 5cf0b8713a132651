"""API keys: made for scripts and apps, shown once, checked in memory."""

from __future__ import annotations

import hashlib
import secrets

from backend.errors import Conflict, FieldError, NotFound, ValidationFailed
from backend.identity.roles import SCOPES
from backend.identity.store_sync import StoreSync
from backend.pagination import page, place
from backend.schemas.api_keys import ApiKey, CreatedApiKey, NewApiKey
from backend.schemas.auth import Role
from backend.schemas.common import Page, PageQuery, utc_now
from backend.store import Database, api_keys, models

MOST_PER_USER = 100
LONGEST_KEY = 100
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
_KIND = "api_keys"


class ApiKeys:
    """The API keys of users. All methods may be called from any thread."""

    def __init__(self, database: Database, watch: StoreSync) -> None:
        self._database = database
        self._watch = watch

    def create(self, user_id: str, role: Role, wanted: NewApiKey) -> CreatedApiKey:
        """Make a key for a user and return it; it cannot be seen again.

        Raises `ValidationFailed` for scopes that the owner's role lacks or an
        expiry in the past, and `Conflict` when the owner has too many.
        """
        _check(role, wanted)
        prefix = "obk_" + "".join(secrets.choice(_LETTERS) for _ in range(8))
        key = f"{prefix}_{secrets.token_urlsafe(32)}"
        kept = self._watch.change(
            api_keys.add,
            api_keys.NewApiKey(
                user_id=user_id,
                name=wanted.name,
                prefix=prefix,
                digest=digest(key),
                scopes=" ".join(sorted(set(wanted.scopes))),
                networks=" ".join(wanted.networks),
                created_at=utc_now(),
                expires_at=wanted.expires_at,
            ),
            MOST_PER_USER,
        )
        if kept is None:
            raise Conflict(f"a user has at most {MOST_PER_USER} API keys")
        return CreatedApiKey(key=key, **_shown(kept).model_dump())

    def page(self, user_id: str, query: PageQuery) -> Page[ApiKey]:
        """List a user's keys, the newest first."""
        before = place(_KIND, query.cursor)
        self._watch.write_uses()
        rows = self._database.read(api_keys.of_user, user_id, query.limit + 1, before)
        return page(_KIND, rows, query, _shown)

    def revoke(self, user_id: str, key_id: str) -> None:
        """Make a user's key useless, at once; raises `NotFound` for another's."""
        if not self._watch.change(api_keys.remove, key_id, user_id):
            raise NotFound("no such API key")


def digest(key: str) -> str:
    """Return the SHA-256 under which a key is kept: it is too random to be guessed from it."""
    return hashlib.sha256(key.encode()).hexdigest()


def _check(role: Role, wanted: NewApiKey) -> None:
    lacking = sorted(set(wanted.scopes) - SCOPES[role])
    if lacking:
        message = f"the role {role} lacks {', '.join(lacking)}"
        raise ValidationFailed(fields=[FieldError("scopes", message)])
    if wanted.expires_at is not None and wanted.expires_at <= utc_now():
        raise ValidationFailed(fields=[FieldError("expires_at", "must be in the future")])


def _shown(key: models.ApiKey) -> ApiKey:
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
