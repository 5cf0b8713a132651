"""RateLimits: counts requests against the budgets of one app, by one flask-limiter `Limiter`.

Its decorators count logins and administrative changes. A decorator takes 70 to 95 µs,
and its hooks 65 more of every request; a whole read takes 40, and HTTP may add a third
to an order, which it all but does. So everything else counts in the Limiter's storage
directly, in the same windows, for 2 µs (its strategy: 9). Its own fallback to memory
would let logins through as well, and may check only after 17 minutes whether Redis is
back.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import time
from collections.abc import Callable
from typing import cast

from flask import Flask
from flask_limiter import Limiter, RateLimitExceeded, RequestLimit
from limits import RateLimitItem, parse
from limits.storage import Storage

from backend.concurrency.host import Host
from backend.errors import RateLimitsAway
from backend.middleware.login_delays import LoginDelays
from backend.middleware.rate_limit import caller_address, find_caller
from backend.middleware.rate_limit_storage import MonotonicStorage, StorageAway, storage_uri
from backend.services import Allowance, RateClass, RateKind, RatePolicy
from backend.settings.model import Settings

_LOGINS: tuple[RateKind, ...] = (
    *("login", "site", "account", "account_hour", "all_logins", "known_login", "proof"),
    *("new_network", "account_new_networks", "all_new_networks"),
)
_OF_THIS_PROCESS: tuple[RateKind, ...] = ("address", "brake_address", "health")
_DECORATED: tuple[RateClass, ...] = ("login", "config")
_SHOWN_AS: dict[RateKind, str] = {"brake_address": "address"}


class RateLimits:
    """The limits of one app.

    While the shared storage is unavailable this process counts by itself, but refuses
    logins: taking Redis down must not allow more guesses at passwords.
    """

    def __init__(self, app: Flask, settings: Settings, host: Host) -> None:
        rates: dict[RateKind, str] = {
            "trade": settings.rate_limit_trade,
            "amend": settings.rate_limit_amend,
            "brake": settings.rate_limit_brake,
            "config": settings.rate_limit_config,
            "query": settings.rate_limit_query,
            "login": settings.rate_limit_login,
            "refresh": settings.rate_limit_refresh,
            "account": settings.rate_limit_account,
            "all_logins": settings.rate_limit_all_logins,
            "site": settings.rate_limit_site,
            "account_hour": settings.rate_limit_account_hour,
            "known_login": settings.rate_limit_known_login,
            "new_network": settings.rate_limit_new_network,
            "account_new_networks": settings.rate_limit_account_new_networks,
            "all_new_networks": settings.rate_limit_all_new_networks,
            "proof": settings.rate_limit_proof,
            "address": settings.rate_limit_address,
            "brake_address": settings.rate_limit_address,
            "health": settings.rate_limit_health,
        }
        self._rates = {kind: parse(rate) for kind, rate in rates.items()}
        self._policies = {kind: _policy(kind, rate) for kind, rate in self._rates.items()}
        # building a key takes 1.2 µs
        self._key_for = functools.lru_cache(maxsize=4096)(self._make_key)
        self._limiter = _new_limiter(app, storage_uri(settings), host)
        self._storage = self._limiter.storage
        self._own_storage = MonotonicStorage()
        self._delays = LoginDelays(self._storage)
        self._decorated = {kind: self._decorate(kind, rates[kind]) for kind in _DECORATED}

    def count_request(self, rate_class: RateClass, caller: str) -> Allowance:
        """Count the present request, by flask-limiter's decorator for the classes that have one.

        Raises as `count` does.
        """
        decorated = self._decorated.get(rate_class)
        if decorated is None:
            return self.count(rate_class, caller)
        try:
            with contextlib.suppress(RateLimitExceeded):
                decorated()
        except StorageAway:
            return self._count_without_storage(rate_class, caller)
        current = cast(RequestLimit, self._limiter.current_limit)  # set by the decorator
        left = -1 if current.breached else current.remaining
        reset_s = _seconds_until(current.window.reset_time)
        return Allowance(self._policies[rate_class], left, reset_s)

    def count(self, kind: RateKind, caller: str, amount: int = 1) -> Allowance:
        """Count requests; a negative amount gives them back.

        Raises `RateLimitsAway` for a login that cannot be counted together with
        those of other processes.
        """
        if kind in _OF_THIS_PROCESS:  # protects this process alone
            return self._count_in(self._own_storage, kind, caller, amount)
        try:
            return self._count_in(self._storage, kind, caller, amount)
        except StorageAway:
            return self._count_without_storage(kind, caller, amount)

    def delay_try(self, caller: str) -> int:
        """Count a try at a password; return the seconds by which it comes too early, else 0.

        Raises `RateLimitsAway` as `count` does.
        """
        try:
            return self._delays.count_try(caller)
        except StorageAway:
            raise RateLimitsAway("logins cannot be counted now") from None

    def forget_tries(self, caller: str) -> None:
        """Forget a caller's tries: one of them was right."""
        self._delays.forget(caller)

    def _count_without_storage(self, kind: RateKind, caller: str, amount: int = 1) -> Allowance:
        if kind in _LOGINS:
            raise RateLimitsAway("logins cannot be counted now") from None
        return self._count_in(self._own_storage, kind, caller, amount)

    def _count_in(self, storage: Storage, kind: RateKind, caller: str, amount: int) -> Allowance:
        rate = self._rates[kind]
        key = self._key_for(kind, caller)
        left = rate.amount - storage.incr(key, rate.get_expiry(), amount)
        return Allowance(self._policies[kind], left, _seconds_until(storage.get_expiry(key)))

    def _make_key(self, kind: RateKind, caller: str) -> str:
        return self._rates[kind].key_for(caller, kind)  # as the decorators do

    def _decorate(self, rate_class: RateClass, rate: str) -> Callable[[], None]:
        def decorated() -> None:
            """Do nothing: only the decorator's count is wanted."""

        decorated.__qualname__ = rate_class  # flask-limiter identifies functions by name
        key_func = functools.partial(find_caller, rate_class)
        limit = self._limiter.shared_limit(rate, scope=rate_class, key_func=key_func)
        return limit(decorated)


def _new_limiter(app: Flask, uri: str, host: Host) -> Limiter:
    """Install a Limiter in an app, without its hooks.

    They serve limits and headers of its own; ours tell the seconds until a window ends.
    """
    limiter = Limiter(
        caller_address,
        storage_uri=uri,
        storage_options=cast(dict[str, str | int], {"host": host}),  # passed on unchanged
        strategy="fixed-window",
    )
    limiter.logger.setLevel(logging.WARNING)  # the access log has a line for each refusal
    app.extensions["limiter"] = {limiter}  # where it checks whether its hooks are installed
    limiter.init_app(app)
    return limiter


def _policy(kind: RateKind, rate: RateLimitItem) -> RatePolicy:
    name = _SHOWN_AS.get(kind, kind)
    return RatePolicy(name, rate.amount, f'"{name}";q={rate.amount};w={rate.get_expiry()}')


def _seconds_until(at: float) -> int:
    return max(1, math.ceil(at - time.time()))
