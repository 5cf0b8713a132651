"""Logging in and out, and one's own account."""

from __future__ import annotations

from flask import Blueprint, request
from spectree import Response

from backend.middleware.auth import authenticated, current_principal, public, signed_in
from backend.middleware.rate_limit import limited
from backend.openapi import api
from backend.schemas.auth import Login, Logout, PasswordChange, Refresh, SessionEnd, Tokens, User
from backend.schemas.common import Envelope, Problem
from backend.services import services

auth = Blueprint("auth", __name__, url_prefix="/auth")


@auth.post("/login")
@public
@limited("login")
@api.validate(
    resp=Response(HTTP_200=Envelope[Tokens], HTTP_401=Problem), tags=["auth"], security={}
)
def login(json: Login) -> Envelope[Tokens]:
    """Open a session with username and password."""
    tokens = services().identity.login(json.username, json.password, *_origin())
    return Envelope(data=signed_in(tokens))


@auth.post("/refresh")
@public
@limited("login")
@api.validate(
    resp=Response(HTTP_200=Envelope[Tokens], HTTP_401=Problem), tags=["auth"], security={}
)
def refresh(json: Refresh) -> Envelope[Tokens]:
    """Trade a refresh token in for new tokens.

    Each refresh token works once. Sending it a second time ends the session,
    since two hold it then.
    """
    tokens = services().identity.refresh(json.refresh_token, *_origin())
    return Envelope(data=signed_in(tokens))


@auth.post("/logout")
@authenticated
@limited("query")
@api.validate(resp=Response(HTTP_200=Envelope[SessionEnd], HTTP_401=Problem), tags=["auth"])
def logout(json: Logout) -> Envelope[SessionEnd]:
    """End the access token and, given its refresh token, the session with all its tokens."""
    ended = services().identity.logout(current_principal(), json.refresh_token)
    return Envelope(data=SessionEnd(ended=ended))


@auth.get("/me")
@authenticated
@limited("query")
@api.validate(resp=Response(HTTP_200=Envelope[User], HTTP_401=Problem), tags=["auth"])
def get_me() -> Envelope[User]:
    """Show the caller's own account."""
    return Envelope(data=services().identity.me(current_principal()))


@auth.put("/password")
@authenticated
@limited("login")
@api.validate(resp=Response(HTTP_200=Envelope[Tokens], HTTP_401=Problem), tags=["auth"])
def change_password(json: PasswordChange) -> Envelope[Tokens]:
    """Change the caller's own password.

    All sessions of the account end, this one too; the answer opens a new one.
    """
    tokens = services().identity.change_password(
        current_principal(), json.current_password, json.new_password, *_origin()
    )
    return Envelope(data=signed_in(tokens))


def _origin() -> tuple[str, str]:
    return request.remote_addr or "", request.headers.get("User-Agent", "")
