"""Authentication and authorization: each view declares an access rule, which one hook enforces.

An app with a route that has no rule does not start.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

from flask import Flask, Request, request
from werkzeug.routing import Rule

from backend.concurrency.host import set_current_caller
from backend.errors import (
    ApiError,
    Forbidden,
    InvalidToken,
    MalformedRequest,
    NotAuthenticated,
    PasswordChangeRequired,
    SecondFactorEnrolmentRequired,
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

_LONGEST_AUTHORIZATION = 4096 + len("Bearer ")
_RULE = "access_rule"
_USER = "backend.user"
_PRINCIPAL = "backend.principal"  # no request header can set it: those are under HTTP_


@dataclass(frozen=True, slots=True)
class AccessRule:
    """Requirements of a view on its callers."""

    public: bool = False
    scope: Scope | None = None
    credentials: Credentials | None = None
    allows_unchanged_password: bool = False
    allows_missing_second_factor: bool = False
    may_authenticate_later: bool = False
    check: Callable[[], None] | None = None
    allows_api_keys: bool = False


def public(view: V) -> V:
    """Allow everyone to call a view."""
    return _with_rule(view, AccessRule(public=True))


def authenticated(view: V) -> V:
    """Allow every logged-in user to call a view; an API key is not enough."""
    return _with_rule(view, AccessRule())


def allows_unchanged_password(view: V) -> V:
    """Allow every logged-in user to call a view, also while they must change their password."""
    return _with_rule(view, AccessRule(allows_unchanged_password=True))


def allows_missing_second_factor(view: V) -> V:
    """Allow every logged-in user to call a view, also while they must set up a second factor."""
    return _with_rule(view, AccessRule(allows_missing_second_factor=True))


def authenticated_or_api_key(view: V) -> V:
    """Allow every logged-in user and every API key to call a view."""
    return _with_rule(view, AccessRule(allows_unchanged_password=True, allows_api_keys=True))


def requires(
    scope: Scope, *, credentials: Credentials | None = None, may_authenticate_later: bool = False
) -> Callable[[V], V]:
    """Allow principals with a scope to call a view.

    `credentials` authenticates a request without Authorization header by other means;
    None from it means that there is no caller. With `may_authenticate_later` a
    WebSocket's handshake passes without any, and `known_principal` is None.
    """
    rule = AccessRule(
        False,
        scope,
        credentials,
        may_authenticate_later=may_authenticate_later,
        allows_api_keys=True,
    )
    return lambda view: _with_rule(view, rule)


def checked_by(check: Callable[[], None]) -> Callable[[V], V]:
    """Allow callers that pass a check, for views whose callers are not users."""
    return lambda view: _with_rule(view, AccessRule(check=check))


def stepped_up(view: V) -> V:
    """Allow only principals who re-authenticated moments ago to call a view.

    Place it below the decorator that declares the access rule.
    """

    @functools.wraps(view)
    def stepped_up_view(*args: object, **kwargs: object) -> object:
        if not services().identity.has_stepped_up(current_principal()):
            raise StepUpRequired("show who you are with POST /auth/step-up, and use its token")
        return view(*args, **kwargs)

    stepped_up_view.asks_step_up = True  # type: ignore[attr-defined]
    return cast(V, stepped_up_view)


def current_principal() -> Principal:
    """Return the request's principal; raises `NotAuthenticated` on a public route."""
    principal: Principal | None = request_globals().get("principal")
    if principal is None:
        raise NotAuthenticated
    return principal


def known_principal() -> Principal | None:
    """Return the request's principal; None while there is none."""
    principal: Principal | None = request_globals().get("principal")
    return principal


def has_valid_credentials() -> bool:
    """Return whether the request's token or API key would authenticate it."""
    incoming = current_request()
    rule = rule_of(serving_app(), incoming.endpoint or "")
    try:
        return rule is not None and bool(_authenticate(rule, incoming))
    except ApiError:
        return False


def environ_of_principal(principal: Principal) -> dict[str, object]:
    """Return the WSGI variables that authenticate an in-process request."""
    return {_PRINCIPAL: principal}


def principal_of_environ(environ: WSGIEnvironment) -> Principal | None:
    """Return the principal that a request was authenticated as."""
    principal: Principal | None = environ.get(_PRINCIPAL)
    return principal


def signed_in(tokens: Tokens) -> Tokens:
    """Set the owner of new tokens as this request's principal; return the tokens."""
    _set_principal(services().identity.verify_access_token(tokens.access_token), request.environ)
    return tokens


def rule_of(app: Flask, endpoint: str) -> AccessRule | None:
    """Return the access rule of an endpoint's view."""
    rule: AccessRule | None = getattr(app.view_functions[endpoint], _RULE, None)
    return rule


def install_auth(app: Flask) -> None:
    """Check every request against its access rule before its view runs."""
    app.before_request(_authorize)


def check_every_route_has_a_rule(app: Flask) -> None:
    """Raise RuntimeError naming the routes without an access rule."""
    bare = [
        str(route) for route in app.url_map.iter_rules() if rule_of(app, route.endpoint) is None
    ]
    if bare:
        raise RuntimeError(f"routes without an access rule: {', '.join(sorted(bare))}")


def _with_rule(view: V, rule: AccessRule) -> V:
    # a function of its own: another app in this process may give the view another rule
    @functools.wraps(view)
    def view_with_rule(*args: object, **kwargs: object) -> object:
        return view(*args, **kwargs)

    setattr(view_with_rule, _RULE, rule)
    return cast(V, view_with_rule)


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
        if (
            rule.may_authenticate_later
            and incoming.headers.get("Upgrade", "").lower() == "websocket"
        ):
            return
        raise
    _set_principal(principal, incoming.environ)
    if principal.is_api_key and not rule.allows_api_keys:
        raise SessionRequired("an API key cannot do this; log in")
    check_access(
        principal,
        rule.scope,
        allows_unchanged_password=rule.allows_unchanged_password,
        allows_missing_second_factor=rule.allows_missing_second_factor,
    )


def check_access(
    principal: Principal,
    scope: Scope | None,
    *,
    allows_unchanged_password: bool = False,
    allows_missing_second_factor: bool = False,
) -> None:
    """Raise `Forbidden`, or a kind of it, for a principal without access.

    What may be called with an unchanged password may be without a second factor too.
    """
    if not allows_unchanged_password:
        identity = services().identity
        if identity.must_change_password(principal):
            raise PasswordChangeRequired("set a password of your own with PUT /auth/password")
        if not allows_missing_second_factor and identity.must_enroll_second_factor(principal):
            raise SecondFactorEnrolmentRequired("set one up with POST /auth/second-factor")
    if scope is not None and scope not in principal.scopes:
        raise Forbidden(f"this takes the scope {scope}")


def _is_answered_by_flask(route: Rule) -> bool:
    return bool(getattr(route, "provide_automatic_options", False))


def _set_principal(principal: Principal, environ: WSGIEnvironment) -> None:
    request_globals().principal = principal
    set_current_caller(principal.user_id)
    environ[_PRINCIPAL] = principal
    environ[_USER] = principal.username  # for the access log, which is an outer layer


def _authenticate(rule: AccessRule, incoming: Request) -> Principal:
    identity, environ = services().identity, incoming.environ
    header, key = environ.get("HTTP_AUTHORIZATION"), environ.get("HTTP_X_API_KEY")
    if header is not None or key is not None:
        return _identify(identity, header, key, incoming.remote_addr or "")
    holder = principal_of_environ(environ) or (rule.credentials() if rule.credentials else None)
    if holder is None:
        raise NotAuthenticated(
            "send an access token, Authorization: Bearer <token>, or an API key, X-API-Key"
        )
    if not identity.is_active(holder):
        raise InvalidToken
    return holder


def _identify(identity: Identity, header: str | None, key: str | None, address: str) -> Principal:
    if header is None:
        principal = identity.api_keys.verify(key or "", address)
    elif key is None:
        principal = identity.verify_access_token(_bearer_token(header))
    else:
        raise MalformedRequest("send an access token or an API key, not both")
    identity.record_use(principal, address)
    return principal


def _bearer_token(header: str) -> str:
    if len(header) > _LONGEST_AUTHORIZATION:
        raise InvalidToken("the token is longer than any of this server's")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise InvalidToken("the Authorization header must be: Bearer <token>")
    return token.strip()
