"""Storages of flask-limiter's windows, registered with `limits`: in-process memory and Redis.

Why they are our own: the memory storage of `limits` uses the wall clock and starts a
thread every 10 ms in which it counts; a count takes it 2 to 19 µs, `MonotonicStorage`
0.7. Its Redis storage blocks the calling thread, under gevent that of all requests, for
0.25 s each time Redis does not respond, and needs three round trips to count and to
return the caller's allowance; `SharedStorage` needs one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog
from limits.errors import ConfigurationError, StorageError
from limits.storage import RedisStorage, Storage

from backend.concurrency.host import Host
from backend.settings.model import Settings, SettingsError

MOST_WINDOWS = 10_000
RETRY_S = 1.0
TIMEOUT_S = 0.25
_SHARED = "shared+"
_log = structlog.get_logger(__name__)


class _Window:
    __slots__ = ("count", "ends_at")

    def __init__(self, count: int, ends_at: float) -> None:
        self.count = count
        self.ends_at = ends_at


class MonotonicStorage(Storage):
    """Fixed windows in memory that a change of the wall clock neither ends nor prolongs."""

    STORAGE_SCHEME = ["monotonic"]  # noqa: RUF012 - so `limits` wants it

    def __init__(
        self,
        uri: str | None = None,
        wrap_exceptions: bool = False,
        *,
        clock: Callable[[], float] = time.monotonic,
        **_options: float | str | bool,
    ) -> None:
        super().__init__(uri, wrap_exceptions)
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[str, _Window] = {}
        self._prune_at = MOST_WINDOWS

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        """Return the errors to wrap: none, a dictionary has no outages."""
        return ()

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count in the key's window, which ends `expiry` seconds after its first count."""
        now = self._clock()
        with self._lock:
            window = self._windows.get(key)
            if window is None or window.ends_at <= now:
                window = self._open(key, _Window(0, now + expiry))
            window.count += amount
            return window.count

    def get(self, key: str) -> int:
        """Return the count of the key's window; 0 when it has ended."""
        window = self._windows.get(key)
        return 0 if window is None or window.ends_at <= self._clock() else window.count

    def get_expiry(self, key: str) -> float:
        """Return when the key's window ends, in seconds since 1970 by the present wall clock."""
        window = self._windows.get(key)
        return time.time() + (0.0 if window is None else window.ends_at - self._clock())

    def check(self) -> bool:
        """Return whether the storage is available."""
        return True

    def reset(self) -> int:
        """Delete all windows; return their number."""
        with self._lock:
            count = len(self._windows)
            self._windows = {}
            return count

    def clear(self, key: str) -> None:
        """Delete the key's window."""
        with self._lock:
            self._windows.pop(key, None)

    def _open(self, key: str, window: _Window) -> _Window:
        if len(self._windows) >= self._prune_at:
            now = self._clock()
            self._windows = {key: kept for key, kept in self._windows.items() if kept.ends_at > now}
            self._prune_at = max(MOST_WINDOWS, 2 * len(self._windows))
        self._windows[key] = window
        return window


class StorageAway(Exception):
    """The shared storage does not respond."""


class SharedStorage(MonotonicStorage):
    """Windows in a Redis, which also times them; `incr` raises `StorageAway` without it.

    Redis is called from another thread, and its response is kept for `get` and `get_expiry`. While
    it does not respond no request waits for it: one count a second checks whether it is back.
    """

    STORAGE_SCHEME = [f"{_SHARED}redis", f"{_SHARED}rediss"]  # noqa: RUF012 - as above

    def __init__(
        self,
        uri: str,
        wrap_exceptions: bool = False,
        *,
        host: Host,
        **_options: float | str | bool,
    ) -> None:
        super().__init__(uri, wrap_exceptions)
        self._redis = _connect(uri.removeprefix(_SHARED))
        self._host = host
        self._away_since: float | None = None
        self._retry_at = 0.0

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count in the key's window, together with the other processes."""
        self._refuse_while_away()
        try:
            count, left_s = self._host.call_blocking(
                self._incr_in_redis, key, expiry, amount, self._clock()
            )
        except StorageError:
            self._note_away()
            raise StorageAway from None
        if self._away_since is not None:
            self._away_since = None
            _log.warning("rate limit storage responds again")
        with self._lock:
            self._open(key, _Window(count, self._clock() + left_s))
        return count

    def check(self) -> bool:
        """Return whether the storage responded to the last call."""
        return self._away_since is None

    def reset(self) -> int:
        """Delete all windows in Redis; return their number."""
        return self._host.call_blocking(self._redis.reset) or 0

    def clear(self, key: str) -> None:
        """Delete the key's window in Redis."""
        self._host.call_blocking(self._redis.clear, key)

    def _incr_in_redis(
        self, key: str, expiry: int, amount: int, asked_at: float
    ) -> tuple[int, float]:
        if self._away_since is not None and self._away_since > asked_at:
            raise StorageAway  # it became unavailable while this waited for a thread
        count = self._redis.incr(key, expiry, amount)
        return count, self._redis.get_expiry(key) - time.time()

    def _note_away(self) -> None:
        now = self._clock()
        if self._away_since is None:
            _log.warning("rate limit storage does not respond")
        self._away_since, self._retry_at = now, now + RETRY_S

    def _refuse_while_away(self) -> None:
        """Raise `StorageAway` for all but one count per `RETRY_S`."""
        if self._away_since is None:
            return
        with self._lock:
            now = self._clock()
            if now < self._retry_at:
                raise StorageAway
            self._retry_at = now + RETRY_S


def storage_uri(settings: Settings) -> str:
    """Return the address, in the schemes of this module, of the settings' storage."""
    uri = settings.rate_limit_storage
    return "monotonic://" if uri.startswith("memory") else f"{_SHARED}{uri}"


def _connect(uri: str) -> RedisStorage:
    try:
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        return RedisStorage(
            uri,
            wrap_exceptions=True,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),  # type: ignore[arg-type]  # passed on to redis unchanged
        )
    except (ConfigurationError, ImportError):
        raise SettingsError(
            "BACKEND_RATE_LIMIT_STORAGE: Redis needs the extra octobot-backend[scale]"
        ) from None
    except ValueError:
        raise SettingsError(
            "BACKEND_RATE_LIMIT_STORAGE: memory:// or redis://host:port/number"
        ) from None
