"""Routes of login, logout, sessions and the caller's own account."""

from __future__ import annotations

from flask import Blueprint, request
from spectree import Response

from backend.middleware.auth import (
    allows_missing_second_factor,
    allows_unchanged_password,
    authenticated,
    authenticated_or_api_key,
    current_principal,
    public,
    signed_in,
)
from backend.middleware.login_limits import limited_logins, limited_proofs
from backend.middleware.rate_limit import limited, limited_by_session
from backend.openapi.validation import api
from backend.schemas.auth import (
    AccessToken,
    CurrentUser,
    Login,
    Logout,
    OpenSession,
    PasswordChange,
    ProfileChange,
    Proof,
    Refresh,
    SessionEnd,
    Tokens,
)
from backend.schemas.common import Envelope, Page, PageQuery, Problem
from backend.services import services
from backend.store.refresh_tokens import Device

auth = Blueprint("auth", __name__, url_prefix="/auth")


@auth.post("/login")
@public
@api.validate(
    resp=Response(HTTP_200=Envelope[Tokens], HTTP_401=Problem), tags=["auth"], security={}
)
@limited_logins
def login(json: Login) -> Envelope[Tokens]:
    """Open a session with username and password.

    Where a second factor is in force, the answer to these alone is a 401
    `second_factor_required`: send them again with the `code` of the app, with a recovery code, or
    with the `passkey`'s response to the challenge in that answer.
    """
    device = Device(json.device_name, json.remember)
    tokens = services().identity.login(
        json.username, json.password, *_origin(), json.code, json.passkey, device
    )
    return Envelope(data=signed_in(tokens))


@auth.post("/refresh")
@public
@api.validate(
    resp=Response(HTTP_200=Envelope[Tokens], HTTP_401=Problem), tags=["auth"], security={}
)
@limited_by_session
def refresh(json: Refresh) -> Envelope[Tokens]:
    """Trade a refresh token in for new tokens.

    Each refresh token works once. Within `BACKEND_REFRESH_GRACE` (30 s) and while its successor
    is unused, sending it again gives the same successor: for a second tab, or when the answer
    was lost. Later it ends the session with `token_reused`, since two hold it then.
    """
    tokens = services().identity.refresh(json.refresh_token, *_origin())
    return Envelope(data=signed_in(tokens))


@auth.post("/logout")
@allows_unchanged_password
@limited("config")
@api.validate(resp=Response(HTTP_200=Envelope[SessionEnd], HTTP_401=Problem), tags=["auth"])
def logout(json: Logout) -> Envelope[SessionEnd]:
    """End the access token and, given its refresh token, the session with all its tokens.

    With `everywhere` all sessions of the account end.
    """
    identity, principal = services().identity, current_principal()
    ended = identity.logout(principal, json.refresh_token, everywhere=json.everywhere)
    return Envelope(data=SessionEnd(ended=ended))


@auth.get("/me")
@authenticated_or_api_key
@limited("query")
@api.validate(resp=Response(HTTP_200=Envelope[CurrentUser], HTTP_401=Problem), tags=["auth"])
def get_me() -> Envelope[CurrentUser]:
    """Show the caller's own user, with the scopes of the token or API key."""
    return Envelope(data=services().identity.profiles.get(current_principal()))


@auth.patch("/me")
@authenticated
@limited("config")
@api.validate(resp=Response(HTTP_200=Envelope[CurrentUser], HTTP_401=Problem), tags=["auth"])
def change_me(json: ProfileChange) -> Envelope[CurrentUser]:
    """Change the caller's own name or phone number; all else is changed by admins."""
    return Envelope(data=services().identity.profiles.change(current_principal(), json))


@auth.put("/password")
@allows_unchanged_password
@api.validate(resp=Response(HTTP_200=Envelope[Tokens], HTTP_401=Problem), tags=["auth"])
@limited_proofs
def change_password(json: PasswordChange) -> Envelope[Tokens]:
    """Change the caller's own password.

    All sessions of the account end, this one too; the answer opens a new one.
    """
    tokens = services().identity.change_password(
        current_principal(), json.current_password, json.new_password, *_origin()
    )
    return Envelope(data=signed_in(tokens))


@auth.post("/step-up")
@allows_missing_second_factor
@api.validate(resp=Response(HTTP_200=Envelope[AccessToken], HTTP_401=Problem), tags=["auth"])
@limited_proofs
def step_up(json: Proof) -> Envelope[AccessToken]:
    """Show again who you are, for what takes that: the token in the answer may do it for 5 minutes.

    So may the tokens of a login just now. It takes the password, or where a second factor is in
    force its code or a passkey (`POST /auth/step-up/options` first). Exchange keys, users, API
    keys and OctoBot's configuration take it.
    """
    identity, principal = services().identity, current_principal()
    return Envelope(data=identity.step_up(principal, json))


@auth.get("/sessions")
@authenticated
@limited("query")
@api.validate(resp=Response(HTTP_200=Page[OpenSession], HTTP_401=Problem), tags=["auth"])
def list_sessions(query: PageQuery) -> Page[OpenSession]:
    """List where the caller is logged in, the newest login first."""
    caller = current_principal()
    return services().identity.sessions.page(caller.user_id, caller, query)


@auth.delete("/sessions/<session_id>")
@authenticated
@limited("config")
@api.validate(resp=Response(HTTP_200=Envelope[SessionEnd], HTTP_404=Problem), tags=["auth"])
def end_session(session_id: str) -> Envelope[SessionEnd]:
    """End one of the caller's sessions, wherever it is."""
    services().identity.sessions.revoke(current_principal().user_id, session_id)
    return Envelope(data=SessionEnd(ended="session"))


def _origin() -> tuple[str, str]:
    return request.remote_addr or "", request.headers.get("User-Agent", "")
