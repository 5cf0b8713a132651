"""How often a caller may ask: by kind of request, user, address and account."""

from __future__ import annotations

import functools
import hashlib
import ipaddress
import math
import time
from collections.abc import Callable
from typing import Literal, ParamSpec, TypeVar, cast, get_type_hints

from flask import Flask, Request
from limits import parse

from backend.concurrency.host import Host
from backend.errors import RateLimited, RateLimitsAway
from backend.middleware.api_version import BASE
from backend.middleware.auth import known_principal
from backend.middleware.headers import set_rate_headers
from backend.middleware.load_shedding import load_shedding
from backend.middleware.rate_limit_storage import CountersAway, LocalCounters, open_shared
from backend.middleware.request_context import current_request, serving_app
from backend.schemas.auth import Login
from backend.settings.model import Settings

RateClass = Literal["trade", "query", "login"]
Kind = Literal["trade", "query", "login", "account", "all_logins", "address"]
P = ParamSpec("P")
T = TypeVar("T")

_LOGINS: tuple[Kind, ...] = ("login", "account", "all_logins")
_EXTENSION = "rate_limits"
_LEAST_LEFT = "backend.rate_limit.least_left"


class RateLimits:
    """The limits of one app.

    flask-limiter's decorator costs about 100 µs per request; the storages of
    the library below it are all that is needed. While a shared storage is away
    this process counts for itself, but refuses logins: whoever takes Redis down
    must not get more guesses at passwords.
    """

    def __init__(self, settings: Settings, host: Host) -> None:
        rates: dict[Kind, str] = {
            "trade": settings.rate_limit_trade,
            "query": settings.rate_limit_query,
            "login": settings.rate_limit_login,
            "account": settings.rate_limit_account,
            "all_logins": settings.rate_limit_all_logins,
            "address": settings.rate_limit_address,
        }
        self._rates = {kind: _most_per_window(rate) for kind, rate in rates.items()}
        self._local = LocalCounters()
        self._shared = open_shared(settings, host)

    def count(self, kind: Kind, caller: str) -> tuple[int, int, int]:
        """Count one request; return the limit, the count and the seconds until the window ends.

        Raises `RateLimitsAway` for a login that cannot be counted together with
        those of other processes.
        """
        most, window_s = self._rates[kind]
        key = f"{kind}/{caller}"
        # what an address may ask of this process protects this process
        shared = None if kind == "address" else self._shared
        if shared is None:
            count, ends_at = self._local.count(key, window_s)
        else:
            try:
                count, ends_at = shared.count(key, window_s)
            except CountersAway:
                if kind in _LOGINS:
                    raise RateLimitsAway("logins cannot be counted now") from None
                count, ends_at = self._local.count(key, window_s)
        return most, count, max(1, math.ceil(ends_at - time.time()))


def _most_per_window(rate: str) -> tuple[int, int]:
    """Return how many requests a rate allows in how many seconds."""
    parsed = parse(rate)
    return parsed.amount, parsed.get_expiry()


def install_rate_limits(app: Flask, settings: Settings, host: Host) -> None:
    """Give the app its counters, unless limits are switched off.

    Install it before what looks at tokens: an address that guesses them is
    refused first.
    """
    app.extensions[_EXTENSION] = RateLimits(settings, host) if settings.rate_limit_enabled else None
    app.before_request(_count_address)


def limited(rate_class: RateClass) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Refuse a view's callers when they ask more often than the class allows.

    Logins are counted per address, everything else per user; all of it per
    address too. Reads are also
    refused while the bot falls behind, those of the heaviest callers first.
    """

    def decorate(view: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(view)
        def limited_view(*args: P.args, **kwargs: P.kwargs) -> T:
            limits: RateLimits | None = serving_app().extensions[_EXTENSION]
            caller = _caller(rate_class)
            if limits is not None:
                _check(*limits.count(rate_class, caller))
            if rate_class == "query":
                load_shedding().admit(caller)
            return view(*args, **kwargs)

        limited_view.rate_class = rate_class  # type: ignore[attr-defined]
        return limited_view

    return decorate


def limited_by_account(view: Callable[P, T]) -> Callable[P, T]:
    """Refuse a view that checks a password when an account, or all of them, are tried too often.

    Stands below `api.validate`; the account is the caller's, else the body's
    `username`. Counted before the password is checked.
    """

    @functools.wraps(view)
    def limited_view(*args: P.args, **kwargs: P.kwargs) -> T:
        limits: RateLimits | None = serving_app().extensions[_EXTENSION]
        if limits is not None:
            principal = known_principal()
            login = cast(Login, kwargs["json"])
            account = principal.username if principal else login.username.lower()
            _check(*limits.count("all_logins", "all"))
            _check(*limits.count("account", _digest(account)))
        return view(*args, **kwargs)

    # their names mean something in the view's module only
    limited_view.__annotations__ = get_type_hints(view)
    return limited_view


def check_rate(rate_class: RateClass, caller: str) -> None:
    """Count what comes by another way than a request of its own; raises `RateLimited`."""
    limits: RateLimits | None = serving_app().extensions[_EXTENSION]
    if limits is not None:
        limit, count, reset_s = limits.count(rate_class, caller)
        _refuse_above(limit, count, reset_s)


def _count_address() -> None:
    limits: RateLimits | None = serving_app().extensions[_EXTENSION]
    if limits is None:
        return
    incoming = current_request()
    if incoming.path.startswith(BASE):
        limit, count, reset_s = limits.count("address", _network_of(_remote(incoming)))
        if count > limit:
            _check(limit, count, reset_s)


def _caller(rate_class: RateClass) -> str:
    principal = None if rate_class == "login" else known_principal()
    return principal.user_id if principal else _address()


def _address() -> str:
    return _network_of(_remote(current_request()))


def _remote(incoming: Request) -> str:
    return incoming.remote_addr or "unknown"


@functools.lru_cache(maxsize=4096)
def _network_of(address: str) -> str:
    """Return what one subscriber has: an IPv4 address, or the network of an IPv6 address."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network(f"{address.partition('%')[0]}/64", strict=False))
    except ValueError:
        return address


def _digest(name: str) -> str:
    """Make a key of a text that a client chose."""
    return hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:32]


def _check(limit: int, count: int, reset_s: int) -> None:
    """Tell where the caller stands, with the limit that leaves the least; refuse above it."""
    environ, left = current_request().environ, limit - count
    if left < environ.get(_LEAST_LEFT, limit):
        environ[_LEAST_LEFT] = left
        set_rate_headers(
            environ,
            ("RateLimit-Limit", str(limit)),
            ("RateLimit-Remaining", str(max(0, left))),
            ("RateLimit-Reset", str(reset_s)),
        )
    _refuse_above(limit, count, reset_s)


def _refuse_above(limit: int, count: int, reset_s: int) -> None:
    if count > limit:
        raise RateLimited(
            f"at most {limit} requests of this kind; try again in {reset_s} s",
            retry_after_s=reset_s,
        )
