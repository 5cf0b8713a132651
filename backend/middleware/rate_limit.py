"""Rate limits: a budget of the caller for each kind of route, and of the address for all requests.

The budgets do not touch each other. Brakes (what ends or limits trading: cancel all, the dead-man
switch, pause, stop, risk limits, closing a position) cannot be used up by anything else: each has
a window of its own for each user, which the requests of others at the same address do not count
in, and neither the bot's lag nor its full queue refuses them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast, get_type_hints

from flask import Flask, Request
from flask.globals import request_ctx
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter

from backend.client_networks import network_of
from backend.concurrency.host import set_current_caller
from backend.errors import RateLimited
from backend.middleware.auth import has_valid_credentials, known_principal
from backend.middleware.headers import set_rate_headers
from backend.middleware.request_context import current_request, serving_app
from backend.schemas.auth import Refresh
from backend.schemas.order_commands import OrderBatch
from backend.services import Allowance, RateClass, RateKind, services

P = ParamSpec("P")
T = TypeVar("T")

_BRAKING_METHODS = frozenset({"POST", "PATCH", "DELETE"})
_HEALTH = frozenset({"/healthz", "/readyz"})  # asked by load balancers, which nothing may lock out
_LEAST_LEFT = "backend.rate_limit.least_left"


def install_rate_limits(app: Flask) -> None:
    """Limit how often an address may call the app.

    Install it before the authentication: an address that guesses tokens is refused first.
    """
    app.before_request(_count_address)


def limited(rate_class: RateClass) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Limit how often a view may be called; raises `RateLimited` above that.

    Logins are counted per address, everything else per user; all of it per
    address too. Reads are also refused while the bot falls behind, those of the
    heaviest callers first; brakes go past the bound of the bot's queue.
    """

    def decorate(view: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(view)
        def limited_view(*args: P.args, **kwargs: P.kwargs) -> T:
            parts = services()
            caller = find_caller(rate_class)
            if parts.rate_limits is not None:
                _apply(parts.rate_limits.count_request(rate_class, caller))
            if rate_class == "query":
                parts.load_shedding.admit(caller)
            elif rate_class == "brake":
                set_current_caller(caller, urgent=True)
            return view(*args, **kwargs)

        limited_view.rate_class = rate_class  # type: ignore[attr-defined]
        return limited_view

    return decorate


def count_limits(*limits_and_callers: tuple[RateKind, str], instead: bool = False) -> None:
    """Count the present request in several limits; raises `RateLimited` at the first used up.

    With `instead` the headers no longer tell of the limits that it was counted in before.
    """
    limits = services().rate_limits
    if limits is None:
        return
    if instead:
        current_request().environ.pop(_LEAST_LEFT, None)
    for kind, caller in limits_and_callers:
        _apply(limits.count(kind, caller))


def limited_by_session(view: Callable[P, T]) -> Callable[P, T]:
    """Limit how often a session may be refreshed, in place of `limited`.

    Stands below `api.validate`. Unknown refresh tokens are counted together per address.
    """

    @functools.wraps(view)
    def limited_view(*args: P.args, **kwargs: P.kwargs) -> T:
        parts = services()
        if parts.rate_limits is not None:
            token = cast(Refresh, kwargs["json"]).refresh_token
            session_id = parts.identity.sessions.find(token)
            _apply(parts.rate_limits.count("refresh", session_id or caller_address()))
        return view(*args, **kwargs)

    limited_view.__annotations__ = get_type_hints(view)
    rate_class: RateClass = "refresh"
    limited_view.rate_class = rate_class  # type: ignore[attr-defined]
    return limited_view


def limited_by_orders(view: Callable[P, T]) -> Callable[P, T]:
    """Count a batch as many times as it has orders, all of them or none beyond the first.

    Stands below `api.validate`; `limited` has counted the request itself.
    """

    @functools.wraps(view)
    def limited_view(*args: P.args, **kwargs: P.kwargs) -> T:
        _count_more_orders(len(cast(OrderBatch, kwargs["json"]).orders))
        return view(*args, **kwargs)

    limited_view.__annotations__ = get_type_hints(view)
    return limited_view


def check_rate(rate_class: RateClass, caller: str) -> None:
    """Count an action that is no request of its own; raises `RateLimited`."""
    limits = services().rate_limits
    if limits is not None:
        _refuse_excess(limits.count(rate_class, caller))


def find_caller(rate_class: RateClass) -> str:
    """Return whose budget the present request counts against: a user's, or an address's.

    Each brake counts by itself, so that a script that renews the dead-man switch too often
    cannot use up the pause.
    """
    principal = None if rate_class == "login" else known_principal()
    if principal is None:
        return caller_address()
    if rate_class == "brake":
        return f"{principal.user_id} {current_request().endpoint}"
    return principal.user_id


def remote_address() -> str:
    """Return the address that the present request comes from."""
    return current_request().remote_addr or "unknown"


def caller_address() -> str:
    """Return the address that the present request comes from, or its network."""
    return network_of(remote_address())


def _count_address() -> None:
    limits = services().rate_limits
    if limits is None:
        return
    incoming = current_request()
    if _is_preflight_of_brake(incoming):
        return  # it bears no credentials: refused, it would keep a page from braking
    is_brake = _is_brake(incoming)
    kind: RateKind = "brake_address" if is_brake else "address"
    if incoming.path in _HEALTH:
        kind = "health"
    allowance = limits.count(kind, caller_address())
    if allowance.left < 0 and not (is_brake and has_valid_credentials()):
        _apply(allowance)


def _is_brake(incoming: Request) -> bool:
    route = incoming.url_rule
    return route is not None and _limits_as_brake(route.endpoint)


def _limits_as_brake(endpoint: str) -> bool:
    view = serving_app().view_functions[endpoint]
    return getattr(view, "rate_class", None) == "brake"


def _is_preflight_of_brake(incoming: Request) -> bool:
    """Return whether a page of a configured origin asks whether it may brake."""
    method = incoming.headers.get("Access-Control-Request-Method", "")
    if incoming.method != "OPTIONS" or method not in _BRAKING_METHODS:
        return False
    if incoming.headers.get("Origin") not in services().settings.cors_origins:
        return False
    try:
        endpoint, _arguments = cast(MapAdapter, request_ctx.url_adapter).match(method=method)
    except HTTPException:
        return False
    return _limits_as_brake(endpoint)


def _count_more_orders(count: int) -> None:
    limits = services().rate_limits
    more = count - 1
    if limits is None or not more:
        return
    caller = find_caller("trade")
    allowance = limits.count("trade", caller, more)
    if allowance.left >= 0:
        _apply(allowance)
        return
    allowance = limits.count("trade", caller, -more)
    limit, left = allowance.policy.limit, allowance.left + 1
    allowed = f"at most {limit} orders" if count > limit else f"{left} orders are left of {limit}"
    raise RateLimited(
        f"{allowed}; the batch has {count}; try again in {allowance.reset_s} s",
        retry_after_s=allowance.reset_s,
    )


def _apply(allowance: Allowance) -> None:
    """Set the headers of the limit with the least remaining; raise `RateLimited` below zero."""
    environ = current_request().environ
    policy, left = allowance.policy, max(0, allowance.left)
    if allowance.left < environ.get(_LEAST_LEFT, math.inf):
        environ[_LEAST_LEFT] = allowance.left
        set_rate_headers(
            environ,
            ("RateLimit-Limit", str(policy.limit)),
            ("RateLimit-Remaining", str(left)),
            ("RateLimit-Reset", str(allowance.reset_s)),
            ("RateLimit-Policy", policy.header),
            ("RateLimit", f'"{policy.name}";r={left};t={allowance.reset_s}'),
        )
    _refuse_excess(allowance)


def _refuse_excess(allowance: Allowance) -> None:
    limit, reset_s = allowance.policy.limit, allowance.reset_s
    if allowance.left < 0:
        raise RateLimited(
            f"at most {limit} requests of this kind; try again in {reset_s} s",
            retry_after_s=reset_s,
        )
