"""How often a caller may ask: three classes of requests, counted per user or per address."""

from __future__ import annotations

import functools
import math
import threading
import time
from collections.abc import Callable
from typing import Literal, ParamSpec, Protocol, TypeVar, cast

import structlog
from flask import Flask, current_app, request
from limits import RateLimitItem, parse
from limits.errors import ConfigurationError, StorageError
from limits.storage import storage_from_string

from backend.concurrency import Host
from backend.errors import RateLimited
from backend.middleware.auth import known_principal
from backend.middleware.headers import add_answer_headers
from backend.middleware.shedding import shedding
from backend.settings import Settings, SettingsError

RateClass = Literal["trade", "query", "login"]
P = ParamSpec("P")
T = TypeVar("T")

_STORAGE_TIMEOUT_S = 1
MOST_WINDOWS = 10_000
_EXTENSION = "rate_limits"
_log = structlog.get_logger(__name__)


class Counters(Protocol):
    """Counts per key, each in a window that begins with its first count."""

    def incr(self, key: str, expiry: int) -> int:
        """Count one in a window of `expiry` seconds; return how many it has."""

    def get_expiry(self, key: str) -> float:
        """Return when the key's window ends, in seconds since 1970."""


class LocalCounters:
    """Counters of this process.

    Those of the limits library start a thread nearly every time they count.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._windows: dict[str, _Window] = {}
        self._prune_at = MOST_WINDOWS

    def incr(self, key: str, expiry: int) -> int:
        """Count one in a window of `expiry` seconds; return how many it has."""
        now = time.time()
        with self._lock:
            window = self._windows.get(key)
            if window is None or window.ends_at <= now:
                self._prune(now)
                window = self._windows[key] = _Window(now + expiry)
            window.count += 1
            return window.count

    def get_expiry(self, key: str) -> float:
        """Return when the key's window ends, in seconds since 1970."""
        return self._windows[key].ends_at

    def __len__(self) -> int:
        return len(self._windows)

    def _prune(self, now: float) -> None:
        if len(self._windows) >= self._prune_at:
            self._windows = {key: kept for key, kept in self._windows.items() if kept.ends_at > now}
            self._prune_at = max(MOST_WINDOWS, 2 * len(self._windows))


class _Window:
    __slots__ = ("count", "ends_at")

    def __init__(self, ends_at: float) -> None:
        self.count = 0
        self.ends_at = ends_at


class RateLimits:
    """The limits of one app.

    flask-limiter's decorator costs about 100 µs per request; the storages of
    the library below it are all that is needed.
    """

    def __init__(self, settings: Settings, host: Host) -> None:
        self._rates: dict[RateClass, RateLimitItem] = {
            "trade": parse(settings.rate_limit_trade),
            "query": parse(settings.rate_limit_query),
            "login": parse(settings.rate_limit_login),
        }
        self._local = LocalCounters()
        self._shared: Counters | None = None
        if not settings.rate_limit_storage.startswith("memory"):
            self._shared = _open_shared(settings.rate_limit_storage)
        self._host = host

    def count(self, rate_class: RateClass, caller: str) -> tuple[int, int, int]:
        """Count one request; return the limit, the count and the seconds until the window ends.

        When the shared storage is away, this process counts for itself.
        """
        rate = self._rates[rate_class]
        key, window_s = f"{rate_class}/{caller}", rate.get_expiry()
        if self._shared is None:
            count, ends_at = _count(self._local, key, window_s)
        else:
            try:
                count, ends_at = self._host.call_blocking(_count, self._shared, key, window_s)
            except StorageError:
                _log.warning("rate limit storage does not answer")
                count, ends_at = _count(self._local, key, window_s)
        return rate.amount, count, max(1, math.ceil(ends_at - time.time()))


def _open_shared(uri: str) -> Counters:
    try:
        storage = storage_from_string(
            uri,
            wrap_exceptions=True,
            socket_timeout=_STORAGE_TIMEOUT_S,
            socket_connect_timeout=_STORAGE_TIMEOUT_S,
        )
    except ConfigurationError:
        raise SettingsError(
            "BACKEND_RATE_LIMIT_STORAGE: Redis needs the extra octobot-backend[scale]"
        ) from None
    except ValueError:
        raise SettingsError(
            "BACKEND_RATE_LIMIT_STORAGE: memory:// or redis://host:port/number"
        ) from None
    return cast(Counters, storage)


def _count(counters: Counters, key: str, window_s: int) -> tuple[int, float]:
    return counters.incr(key, window_s), counters.get_expiry(key)


def install_rate_limits(app: Flask, settings: Settings, host: Host) -> None:
    """Give the app its counters, unless limits are switched off."""
    app.extensions[_EXTENSION] = RateLimits(settings, host) if settings.rate_limit_enabled else None


def limited(rate_class: RateClass) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Refuse a view's callers when they ask more often than the class allows.

    Logins are counted per address, everything else per user. Reads are also
    refused while the bot falls behind, those of the heaviest callers first.
    """

    def decorate(view: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(view)
        def limited_view(*args: P.args, **kwargs: P.kwargs) -> T:
            limits: RateLimits | None = current_app.extensions[_EXTENSION]
            caller = _caller(rate_class)
            if limits is not None:
                _check(*limits.count(rate_class, caller))
            if rate_class == "query":
                shedding().admit(caller)
            return view(*args, **kwargs)

        limited_view.rate_class = rate_class  # type: ignore[attr-defined]
        return limited_view

    return decorate


def check_rate(rate_class: RateClass, caller: str) -> None:
    """Count what comes by another way than a request of its own; raises `RateLimited`."""
    limits: RateLimits | None = current_app.extensions[_EXTENSION]
    if limits is not None:
        limit, count, reset_s = limits.count(rate_class, caller)
        _refuse_above(limit, count, reset_s)


def _caller(rate_class: RateClass) -> str:
    if rate_class == "login":
        return request.remote_addr or "unknown"
    principal = known_principal()
    return principal.user_id if principal else request.remote_addr or "unknown"


def _check(limit: int, count: int, reset_s: int) -> None:
    add_answer_headers(
        request.environ,
        ("RateLimit-Limit", str(limit)),
        ("RateLimit-Remaining", str(max(0, limit - count))),
        ("RateLimit-Reset", str(reset_s)),
    )
    _refuse_above(limit, count, reset_s)


def _refuse_above(limit: int, count: int, reset_s: int) -> None:
    if count > limit:
        raise RateLimited(
            f"at most {limit} requests of this kind; try again in {reset_s} s",
            retry_after_s=reset_s,
        )
