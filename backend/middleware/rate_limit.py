"""How often a caller may ask: three classes of requests, counted per user or per address."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, ParamSpec, TypeVar

import structlog
from flask import Flask, current_app, request
from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter

from backend.concurrency import Host, ThreadHost
from backend.errors import RateLimited
from backend.middleware.auth import current_principal
from backend.middleware.headers import add_answer_headers
from backend.settings import Settings

RateClass = Literal["trade", "query", "login"]
P = ParamSpec("P")
T = TypeVar("T")

_STORAGE_TIMEOUT_S = 1
_EXTENSION = "rate_limits"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Allowance:
    """Where a caller stands in the present window."""

    within: bool
    limit: int
    remaining: int
    reset_s: int


class RateLimits:
    """The counters of one app.

    flask-limiter's own decorator costs ten times as much per request; this
    drives the library below it directly.
    """

    def __init__(self, settings: Settings, host: Host) -> None:
        uri = settings.rate_limit_storage
        in_memory = uri.startswith("memory")
        self._host = ThreadHost() if in_memory else host
        self._counters = _counters(uri)
        self._spare = self._counters if in_memory else _counters("memory://")
        self._rates: dict[RateClass, RateLimitItem] = {
            "trade": parse(settings.rate_limit_trade),
            "query": parse(settings.rate_limit_query),
            "login": parse(settings.rate_limit_login),
        }

    def count(self, rate_class: RateClass, caller: str) -> Allowance:
        """Count one request; the storage being away, count in this process alone."""
        try:
            return self._host.call_blocking(self._count, self._counters, rate_class, caller)
        except StorageError:
            _log.warning("rate limit storage does not answer")
            return self._count(self._spare, rate_class, caller)

    def _count(
        self, counters: FixedWindowRateLimiter, rate_class: RateClass, caller: str
    ) -> Allowance:
        rate = self._rates[rate_class]
        within = counters.hit(rate, rate_class, caller)
        reset_at, remaining = counters.get_window_stats(rate, rate_class, caller)
        return Allowance(within, rate.amount, remaining, max(1, math.ceil(reset_at - time.time())))


def _counters(uri: str) -> FixedWindowRateLimiter:
    options: dict[str, Any] = {}
    if not uri.startswith("memory"):
        options = {
            "socket_timeout": _STORAGE_TIMEOUT_S,
            "socket_connect_timeout": _STORAGE_TIMEOUT_S,
        }
    return FixedWindowRateLimiter(storage_from_string(uri, wrap_exceptions=True, **options))


def install_rate_limits(app: Flask, settings: Settings, host: Host) -> None:
    """Give the app its counters, unless limits are switched off."""
    app.extensions[_EXTENSION] = RateLimits(settings, host) if settings.rate_limit_enabled else None


def limited(rate_class: RateClass) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Refuse a view's callers when they ask more often than the class allows.

    Logins are counted per address, everything else per user.
    """

    def decorate(view: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(view)
        def limited_view(*args: P.args, **kwargs: P.kwargs) -> T:
            limits: RateLimits | None = current_app.extensions[_EXTENSION]
            if limits is not None:
                _check(limits.count(rate_class, _caller(rate_class)))
            return view(*args, **kwargs)

        limited_view.rate_class = rate_class  # type: ignore[attr-defined]
        return limited_view

    return decorate


def _caller(rate_class: RateClass) -> str:
    if rate_class == "login":
        return request.remote_addr or "unknown"
    return current_principal().user_id


def _check(allowance: Allowance) -> None:
    reset = str(allowance.reset_s)
    add_answer_headers(
        request.environ,
        ("RateLimit-Limit", str(allowance.limit)),
        ("RateLimit-Remaining", str(allowance.remaining)),
        ("RateLimit-Reset", reset),
    )
    if not allowance.within:
        raise RateLimited(
            f"at most {allowance.limit} requests of this kind; try again in {reset} s",
            retry_after_s=allowance.reset_s,
        )
