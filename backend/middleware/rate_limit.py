"""Rate limits by kind of request, user, address and account: one flask-limiter `Limiter` per app.

Its decorators count logins and administrative changes. A decorator takes 70 to 95 µs, and its
hooks 65 more of every request; a whole read takes 40, and HTTP may add a third to an order, which
it all but does. So reads and orders count in the Limiter's storage directly, in the same windows,
for 2 µs (its strategy: 9). Its own fallback to memory would let logins through as well, and may
check only after 17 minutes whether Redis is back.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from flask import Flask, Request
from flask_limiter import Limiter, RateLimitExceeded, RequestLimit
from limits import parse
from limits.storage import Storage

from backend.concurrency.host import Host
from backend.errors import RateLimited, RateLimitsAway
from backend.identity.networks import network_of
from backend.middleware.api_version import BASE
from backend.middleware.auth import known_principal
from backend.middleware.headers import set_rate_headers
from backend.middleware.rate_limit_storage import MonotonicStorage, StorageAway, storage_uri
from backend.middleware.request_context import current_request
from backend.services import Allowance, RateClass, RateKind, services
from backend.settings.model import Settings

P = ParamSpec("P")
T = TypeVar("T")

_LOGINS: tuple[RateKind, ...] = (
    *("login", "site", "account", "account_hour", "all_logins", "known_login", "proof"),
)
_DECORATED: tuple[RateClass, ...] = ("login", "query")
_READS = frozenset({"GET", "HEAD"})
_LEAST_LEFT = "backend.rate_limit.least_left"


class RateLimits:
    """The limits of one app.

    While the shared storage is unavailable this process counts by itself, but refuses
    logins: taking Redis down must not allow more guesses at passwords.
    """

    def __init__(self, app: Flask, settings: Settings, host: Host) -> None:
        rates: dict[RateKind, str] = {
            "trade": settings.rate_limit_trade,
            "query": settings.rate_limit_query,
            "login": settings.rate_limit_login,
            "account": settings.rate_limit_account,
            "all_logins": settings.rate_limit_all_logins,
            "site": settings.rate_limit_site,
            "account_hour": settings.rate_limit_account_hour,
            "known_login": settings.rate_limit_known_login,
            "proof": settings.rate_limit_proof,
            "address": settings.rate_limit_address,
        }
        self._rates = {kind: parse(rate) for kind, rate in rates.items()}
        # building a key takes 1.2 µs
        self._key_for = functools.lru_cache(maxsize=4096)(self._make_key)
        self._limiter = _new_limiter(app, storage_uri(settings), host)
        self._storage = self._limiter.storage
        self._own_storage = MonotonicStorage()
        self._decorated = {kind: self._decorate(kind, rates[kind]) for kind in _DECORATED}

    def count_request(self, rate_class: RateClass, caller: str) -> Allowance:
        """Count the present request, by flask-limiter's decorator unless it reads or trades.

        Raises as `count` does.
        """
        decorated = self._decorated.get(rate_class)
        if decorated is None or current_request().method in _READS:
            return self.count(rate_class, caller)
        try:
            with contextlib.suppress(RateLimitExceeded):
                decorated()
        except StorageAway:
            return self._count_without_storage(rate_class, caller)
        current = cast(RequestLimit, self._limiter.current_limit)  # set by the decorator
        left = -1 if current.breached else current.remaining
        return Allowance(current.limit.amount, left, _seconds_until(current.window.reset_time))

    def count(self, kind: RateKind, caller: str) -> Allowance:
        """Count one request.

        Raises `RateLimitsAway` for a login that cannot be counted together with
        those of other processes.
        """
        if kind == "address":  # a process's own bound protects this process alone
            return self._count_in(self._own_storage, kind, caller)
        try:
            return self._count_in(self._storage, kind, caller)
        except StorageAway:
            return self._count_without_storage(kind, caller)

    def _count_without_storage(self, kind: RateKind, caller: str) -> Allowance:
        if kind in _LOGINS:
            raise RateLimitsAway("logins cannot be counted now") from None
        return self._count_in(self._own_storage, kind, caller)

    def _count_in(self, storage: Storage, kind: RateKind, caller: str) -> Allowance:
        rate = self._rates[kind]
        key = self._key_for(kind, caller)
        count = storage.incr(key, rate.get_expiry())
        return Allowance(rate.amount, rate.amount - count, _seconds_until(storage.get_expiry(key)))

    def _make_key(self, kind: RateKind, caller: str) -> str:
        return self._rates[kind].key_for(caller, kind)  # as the decorators do

    def _decorate(self, rate_class: RateClass, rate: str) -> Callable[[], None]:
        def decorated() -> None:
            """Do nothing: only the decorator's count is wanted."""

        decorated.__qualname__ = rate_class  # flask-limiter identifies decorated functions by name
        find_caller = functools.partial(_caller, rate_class)
        limit = self._limiter.shared_limit(rate, scope=rate_class, key_func=find_caller)
        return limit(decorated)


def _new_limiter(app: Flask, uri: str, host: Host) -> Limiter:
    """Install a Limiter in an app, without its hooks.

    They add limits and headers of their own; our headers state the seconds until a window ends.
    """
    limiter = Limiter(
        _address,
        storage_uri=uri,
        storage_options=cast(dict[str, str | int], {"host": host}),  # passed on unchanged
        strategy="fixed-window",
    )
    limiter.logger.setLevel(logging.WARNING)  # the access log has a line for each refusal
    app.extensions["limiter"] = {limiter}  # where it checks whether its hooks are installed
    limiter.init_app(app)
    return limiter


def install_rate_limits(app: Flask) -> None:
    """Limit how often an address may call the app.

    Install it before the authentication: an address that guesses tokens is refused first.
    """
    app.before_request(_count_address)


def limited(rate_class: RateClass) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Limit how often a view may be called; raises `RateLimited` above that.

    Logins are counted per address, everything else per user; all of it per
    address too. Reads are also
    refused while the bot falls behind, those of the heaviest callers first.
    """

    def decorate(view: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(view)
        def limited_view(*args: P.args, **kwargs: P.kwargs) -> T:
            parts = services()
            caller = _caller(rate_class)
            if parts.rate_limits is not None:
                _apply(parts.rate_limits.count_request(rate_class, caller))
            if rate_class == "query":
                parts.load_shedding.admit(caller)
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


def check_rate(rate_class: RateClass, caller: str) -> None:
    """Count an action that is no request of its own; raises `RateLimited`."""
    limits = services().rate_limits
    if limits is not None:
        _refuse_excess(limits.count(rate_class, caller))


def _count_address() -> None:
    limits = services().rate_limits
    if limits is None:
        return
    incoming = current_request()
    if incoming.path.startswith(BASE):
        allowance = limits.count("address", network_of(_remote(incoming)))
        if allowance.left < 0:
            _apply(allowance)


def _caller(rate_class: RateClass) -> str:
    principal = None if rate_class == "login" else known_principal()
    return principal.user_id if principal else _address()


def remote_address() -> str:
    """Return the address that the present request comes from."""
    return _remote(current_request())


def _address() -> str:
    return network_of(remote_address())


def _remote(incoming: Request) -> str:
    return incoming.remote_addr or "unknown"


def _seconds_until(at: float) -> int:
    return max(1, math.ceil(at - time.time()))


def _apply(allowance: Allowance) -> None:
    """Set the headers of the limit with the least remaining; raise `RateLimited` below zero."""
    environ = current_request().environ
    if allowance.left < environ.get(_LEAST_LEFT, math.inf):
        environ[_LEAST_LEFT] = allowance.left
        set_rate_headers(
            environ,
            ("RateLimit-Limit", str(allowance.limit)),
            ("RateLimit-Remaining", str(max(0, allowance.left))),
            ("RateLimit-Reset", str(allowance.reset_s)),
        )
    _refuse_excess(allowance)


def _refuse_excess(allowance: Allowance) -> None:
    if allowance.left < 0:
        raise RateLimited(
            f"at most {allowance.limit} requests of this kind; try again in {allowance.reset_s} s",
            retry_after_s=allowance.reset_s,
        )
