"""Everyone who may knock: the roles, and those whose token is of no use for one reason each."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import timedelta

import jwt
from flask import Flask

from backend.app import close_app, create_app
from backend.identity import Identity
from backend.identity.roles import ALL_SCOPES
from backend.schemas.api_keys import CreatedApiKey, NewApiKey
from backend.schemas.auth import Tokens
from backend.schemas.common import utc_now
from backend.schemas.users import UserChange
from backend.services import Services
from tests.api_client import PASSWORD

_NOWHERE = ("127.0.0.1", "tests")

Headers = dict[str, str]
NARROW = frozenset({"portfolio:read"})


def bearer(token: str) -> Headers:
    """Spell the header."""
    return {"Authorization": f"Bearer {token}"}


def log_in(app: Flask, username: str) -> Tokens:
    """Open a session of a user of the tests."""
    identity: Identity = app.extensions["backend"].identity
    return identity.login(username, PASSWORD, *_NOWHERE)


def disabled_user(app: Flask) -> Headers:
    """An admin who was disabled after the login."""
    identity: Identity = app.extensions["backend"].identity
    user = identity.users.create("disabled", PASSWORD, "admin")
    tokens = log_in(app, "disabled")
    identity.users.change(user.id, UserChange(disabled=True))
    return bearer(tokens.access_token)


def expired_token(app: Flask) -> Headers:
    """An admin's token that has run out, signed by the server's own key."""
    parts: Services = app.extensions["backend"]
    settings = parts.settings.model_copy(update={"token_expiry": 1})
    brief = create_app(settings, parts.bridge, parts.hub, parts.host, parts.database)
    token = log_in(brief, "admin").access_token
    expires_at = jwt.decode(token, options={"verify_signature": False})["exp"]
    close_app(brief)
    time.sleep(max(0.0, expires_at - time.time()))
    return bearer(token)


def revoked_token(app: Flask) -> Headers:
    """An admin's token after the logout."""
    identity: Identity = app.extensions["backend"].identity
    token = log_in(app, "admin").access_token
    identity.logout(identity.verify_access_token(token), None)
    return bearer(token)


def foreign_token(app: Flask) -> Headers:
    """An admin's token to the last claim, signed by somebody else."""
    token = log_in(app, "admin").access_token
    claims = jwt.decode(token, options={"verify_signature": False})
    kid = jwt.get_unverified_header(token)["kid"]
    return bearer(jwt.encode(claims, "k" * 48, "HS256", headers={"kid": kid}))


def confined_user(app: Flask) -> Headers:
    """An admin who has to set a password of their own first."""
    identity: Identity = app.extensions["backend"].identity
    identity.users.create("confined", PASSWORD, "admin", must_change_password=True)
    return bearer(log_in(app, "confined").access_token)


def api_keys(app: Flask) -> dict[str, Headers]:
    """Name keys of the admin's: good ones, and some that are of no use."""
    identity: Identity = app.extensions["backend"].identity
    admin = identity.users.find_by_username("admin")

    def make(name: str, scopes: Iterable[str], **bounds: object) -> CreatedApiKey:
        wanted = NewApiKey.model_validate({"name": name, "scopes": sorted(scopes), **bounds})
        return identity.api_keys.create(admin.id, "admin", wanted)

    soon = utc_now() + timedelta(seconds=1)
    brief, revoked = make("brief", ALL_SCOPES, expires_at=soon), make("revoked", ALL_SCOPES)
    identity.api_keys.revoke(admin.id, revoked.id)
    whole = make("whole", ALL_SCOPES)
    keys = {
        "whole key": whole,
        "narrow key": make("narrow", NARROW),
        "revoked key": revoked,
        "expired key": brief,
        "key of elsewhere": make("elsewhere", ALL_SCOPES, networks=["203.0.113.0/24"]),
    }
    time.sleep(max(0.0, (soon - utc_now()).total_seconds()))
    found = {name: {"X-API-Key": made.key} for name, made in keys.items()}
    found["unknown key"] = {"X-API-Key": f"{whole.prefix}_{'x' * 43}"}
    return found


def all_callers(app: Flask) -> dict[str, Headers]:
    """Name every caller and what it sends."""
    return {
        "no token": {},
        "viewer": bearer(log_in(app, "viewer").access_token),
        "trader": bearer(log_in(app, "trader").access_token),
        "admin": bearer(log_in(app, "admin").access_token),
        "disabled user": disabled_user(app),
        "expired": expired_token(app),
        "revoked": revoked_token(app),
        "foreign key": foreign_token(app),
        "confined": confined_user(app),
        **api_keys(app),
    }
