"""Routes of signing in with an OpenID provider."""

from __future__ import annotations

from flask import Blueprint, request
from flask import Response as Redirection
from spectree import Response

from backend.middleware.auth import public, signed_in
from backend.middleware.rate_limit import limited
from backend.openapi.validation import api
from backend.schemas.auth import Tokens
from backend.schemas.common import Envelope, Problem
from backend.schemas.oidc import (
    CallbackQuery,
    IdTokenSignIn,
    SignIn,
    SignInCode,
    SignInNonce,
    SignInQuery,
)
from backend.services import services
from backend.store.oidc import STATE_LIFETIME

oidc = Blueprint("oidc", __name__, url_prefix="/auth/oidc")

_TAGS = ["sign in with a provider"]
_REDIRECTS = Response(HTTP_302=None, HTTP_403=Problem, HTTP_503=Problem)
_LONGEST_COOKIE = 100


@oidc.get("/login")
@public
@limited("login")
@api.validate(resp=_REDIRECTS, tags=_TAGS, security={})
def begin_sign_in(query: SignInQuery) -> Redirection:
    """Send a browser to the provider; it comes back to `return_to` with a `sign_in_code`.

    Open it as a page, do not fetch it. Instead of the code `error` may come back, with the type
    of an error.
    """
    begun = services().identity.oidc.begin(query)
    answer = Redirection(status=302, headers={"Location": begun.url})
    name, secure = _cookie()
    answer.set_cookie(
        name,
        begun.cookie,
        max_age=int(STATE_LIFETIME.total_seconds()),
        secure=secure,
        httponly=True,
        samesite="Lax",
    )
    return answer


@oidc.get("/callback")
@public
@api.validate(resp=_REDIRECTS, tags=_TAGS, security={})
def finish_sign_in(query: CallbackQuery) -> Redirection:
    """Finish a browser's sign-in with the provider's answer, and redirect to its page."""
    name, secure = _cookie()
    cookie = request.cookies.get(name, "")[:_LONGEST_COOKIE]
    target = services().identity.oidc.finish(query, cookie)
    answer = Redirection(status=302, headers={"Location": target})
    answer.delete_cookie(name, secure=secure, httponly=True, samesite="Lax")
    return answer


@oidc.post("/nonce")
@public
@limited("login")
@api.validate(
    resp=Response(HTTP_200=Envelope[SignInNonce], HTTP_403=Problem), tags=_TAGS, security={}
)
def new_nonce() -> Envelope[SignInNonce]:
    """Get a nonce, which an app passes to the provider: it has to be in the ID token."""
    return Envelope(data=services().identity.oidc.new_nonce())


@oidc.post("/id-token")
@public
@limited("login")
@api.validate(
    resp=Response(
        HTTP_200=Envelope[SignInCode], HTTP_401=Problem, HTTP_403=Problem, HTTP_503=Problem
    ),
    tags=_TAGS,
    security={},
)
def accept_id_token(json: IdTokenSignIn) -> Envelope[SignInCode]:
    """Trade in the ID token that an app got from the provider; it takes a nonce of this server."""
    code = services().identity.oidc.accept_id_token(json.id_token, json.nonce)
    return Envelope(data=code)


@oidc.post("/token")
@public
@limited("login")
@api.validate(
    resp=Response(
        HTTP_200=Envelope[Tokens],
        HTTP_401=Problem,
        HTTP_403=Problem,
        HTTP_409=Problem,
    ),
    tags=_TAGS,
    security={},
)
def sign_in(json: SignIn) -> Envelope[Tokens]:
    """Exchange a `sign_in_code` for tokens; it works once, for five minutes.

    Where a second factor is in force the answer to the code alone is a 401
    `second_factor_required`: send it again with `code` or `passkey`.
    """
    origin = request.remote_addr or "", request.headers.get("User-Agent", "")
    return Envelope(data=signed_in(services().identity.sign_in_with_provider(json, *origin)))


def _cookie() -> tuple[str, bool]:
    """Return the cookie's name, and whether it is for HTTPS alone."""
    secure = (services().identity.oidc.redirect_uri or "").startswith("https:")
    return ("__Host-sign-in" if secure else "sign-in"), secure
