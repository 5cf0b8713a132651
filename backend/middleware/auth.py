"""Who may call a route: each view states its rule, one hook enforces it, no rule is no start."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

from flask import Flask, Request, request
from werkzeug.routing import Rule

from backend.concurrency.host import act_for
from backend.errors import (
    Forbidden,
    InvalidToken,
    MalformedRequest,
    NotAuthenticated,
    PasswordChangeRequired,
    SessionRequired,
    StepUpRequired,
)
from backend.identity import Identity
from backend.identity.principal import Principal
from backend.middleware.request_context import current_request, request_globals, serving_app
from backend.schemas.auth import Scope, Tokens
from backend.services import services

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

V = TypeVar("V", bound=Callable[..., object])
Credentials = Callable[[], Principal | None]

_RULE = "access_rule"
_USER = "backend.user"
_VOUCHED = "backend.principal"  # no header can set it: theirs are under HTTP_


@dataclass(frozen=True, slots=True)
class AccessRule:
    """What a view asks of its callers."""

    public: bool = False
    scope: Scope | None = None
    credentials: Credentials | None = None
    confined_too: bool = False
    may_wait: bool = False
    check: Callable[[], None] | None = None
    keys_too: bool = False


def public(view: V) -> V:
    """Let anybody call a view."""
    return _ruled(view, AccessRule(public=True))


def authenticated(view: V) -> V:
    """Let anybody who is logged in call a view; an API key is not enough."""
    return _ruled(view, AccessRule())


def confined_too(view: V) -> V:
    """Let anybody who is logged in call a view, also before they set a password of their own."""
    return _ruled(view, AccessRule(confined_too=True))


def anybody_known(view: V) -> V:
    """Let anybody who is logged in call a view, and any API key."""
    return _ruled(view, AccessRule(confined_too=True, keys_too=True))


def requires(
    scope: Scope, *, credentials: Credentials | None = None, may_wait: bool = False
) -> Callable[[V], V]:
    """Let those who hold a scope call a view.

    `credentials` finds the caller of a request without Authorization header in
    some other way; None from it means that there is none. With `may_wait` a
    WebSocket's handshake passes without any, and `known_principal` is None.
    """
    rule = AccessRule(False, scope, credentials, may_wait=may_wait, keys_too=True)
    return lambda view: _ruled(view, rule)


def checked_by(check: Callable[[], None]) -> Callable[[V], V]:
    """Let a check decide who may call a view, for callers who are no users; it raises."""
    return lambda view: _ruled(view, AccessRule(check=check))


def stepped_up(view: V) -> V:
    """Let only those call a view who showed a moment ago who they are.

    Stands below the decorator that says who may call at all.
    """

    @functools.wraps(view)
    def stepped_up_view(*args: object, **kwargs: object) -> object:
        if not services().identity.has_stepped_up(current_principal()):
            raise StepUpRequired("show who you are with POST /auth/step-up, and use its token")
        return view(*args, **kwargs)

    stepped_up_view.asks_step_up = True  # type: ignore[attr-defined]
    return cast(V, stepped_up_view)


def current_principal() -> Principal:
    """Return who is calling; raises `NotAuthenticated` on a public route."""
    principal: Principal | None = request_globals().get("principal")
    if principal is None:
        raise NotAuthenticated
    return principal


def known_principal() -> Principal | None:
    """Return who is calling, if that has been said."""
    principal: Principal | None = request_globals().get("principal")
    return principal


def vouched_for(principal: Principal) -> dict[str, object]:
    """Return what makes a request from inside of this process one of a known caller."""
    return {_VOUCHED: principal}


def vouched(environ: WSGIEnvironment) -> Principal | None:
    """Return who turned out to have made such a request."""
    principal: Principal | None = environ.get(_VOUCHED)
    return principal


def signed_in(tokens: Tokens) -> Tokens:
    """Take the owner of new tokens for the caller of this request from here on."""
    _remember(services().identity.verify_access_token(tokens.access_token), request.environ)
    return tokens


def rule_of(app: Flask, endpoint: str) -> AccessRule | None:
    """Return what an endpoint's view asks of its callers."""
    rule: AccessRule | None = getattr(app.view_functions[endpoint], _RULE, None)
    return rule


def install_auth(app: Flask) -> None:
    """Have every request checked before its view runs."""
    app.before_request(_authorize)


def check_every_route_has_a_rule(app: Flask) -> None:
    """Raise RuntimeError naming the routes that say nothing about who may call them."""
    bare = [
        str(route) for route in app.url_map.iter_rules() if rule_of(app, route.endpoint) is None
    ]
    if bare:
        raise RuntimeError(f"routes without an access rule: {', '.join(sorted(bare))}")


def _ruled(view: V, rule: AccessRule) -> V:
    # a function of its own: another app in this process may give the view another rule
    @functools.wraps(view)
    def ruled_view(*args: object, **kwargs: object) -> object:
        return view(*args, **kwargs)

    setattr(ruled_view, _RULE, rule)
    return cast(V, ruled_view)


def _authorize() -> None:
    incoming = current_request()
    route = incoming.url_rule
    if route is None or (incoming.method == "OPTIONS" and _is_answered_by_flask(route)):
        return  # no view will be called
    rule = rule_of(serving_app(), route.endpoint)
    if rule is None:
        raise Forbidden("the route has no access rule")
    if rule.public:
        return
    if rule.check is not None:
        rule.check()
        return
    try:
        principal = _authenticate(rule, incoming)
    except NotAuthenticated:
        if rule.may_wait and incoming.headers.get("Upgrade", "").lower() == "websocket":
            return
        raise
    _remember(principal, incoming.environ)
    if principal.is_api_key and not rule.keys_too:
        raise SessionRequired("an API key cannot do this; log in")
    check_access(principal, rule.scope, confined_too=rule.confined_too)


def check_access(principal: Principal, scope: Scope | None, *, confined_too: bool = False) -> None:
    """Raise `PasswordChangeRequired` or `Forbidden` for who may not do this."""
    if not confined_too and services().identity.must_change_password(principal):
        raise PasswordChangeRequired("set a password of your own with PUT /auth/password")
    if scope is not None and scope not in principal.scopes:
        raise Forbidden(f"this takes the scope {scope}")


def _is_answered_by_flask(route: Rule) -> bool:
    return bool(getattr(route, "provide_automatic_options", False))


def _remember(principal: Principal, environ: WSGIEnvironment) -> None:
    request_globals().principal = principal
    act_for(principal.user_id)
    environ[_VOUCHED] = principal
    environ[_USER] = principal.username  # for the access log, which stands outside


def _authenticate(rule: AccessRule, incoming: Request) -> Principal:
    identity, environ = services().identity, incoming.environ
    header, key = environ.get("HTTP_AUTHORIZATION"), environ.get("HTTP_X_API_KEY")
    if header is not None or key is not None:
        return _identified(identity, header, key, incoming.remote_addr or "")
    holder = vouched(environ) or (rule.credentials() if rule.credentials else None)
    if holder is None:
        raise NotAuthenticated(
            "send an access token, Authorization: Bearer <token>, or an API key, X-API-Key"
        )
    if not identity.is_active(holder):
        raise InvalidToken
    return holder


def _identified(identity: Identity, header: str | None, key: str | None, address: str) -> Principal:
    if header is None:
        principal = identity.verify_api_key(key or "", address)
    elif key is None:
        principal = identity.verify_access_token(_bearer_token(header))
    else:
        raise MalformedRequest("send an access token or an API key, not both")
    identity.record_use(principal, address)
    return principal


def _bearer_token(header: str) -> str:
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise InvalidToken("the Authorization header must be: Bearer <token>")
    return token.strip()
