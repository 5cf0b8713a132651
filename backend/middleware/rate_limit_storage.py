"""Counting in windows of time: in this process, or in a Redis that several share."""

from __future__ import annotations

import threading
import time
from typing import Protocol, cast

import structlog
from limits.errors import ConfigurationError, StorageError
from limits.storage import storage_from_string

from backend.concurrency.host import Host
from backend.settings.model import Settings, SettingsError

MOST_WINDOWS = 10_000
RETRY_S = 1.0
TIMEOUT_S = 0.25
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

    def count(self, key: str, window_s: int) -> tuple[int, float]:
        """Count one; return how many the window has and when it ends, in seconds since 1970."""
        now = time.time()
        with self._lock:
            window = self._windows.get(key)
            if window is None or window.ends_at <= now:
                self._prune(now)
                window = self._windows[key] = _Window(now + window_s)
            window.count += 1
            return window.count, window.ends_at

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


class CountersAway(Exception):
    """The shared counters do not answer."""


class SharedCounters:
    """Counters in Redis.

    When it does not answer, nobody waits for it: one caller a second looks
    whether it is back.
    """

    def __init__(self, uri: str, host: Host) -> None:
        self._storage = _open(uri)
        self._host = host
        self._lock = threading.Lock()
        self._away_since: float | None = None
        self._look_at = 0.0

    def count(self, key: str, window_s: int) -> tuple[int, float]:
        """Count one; return how many the window has and when it ends. Raises `CountersAway`."""
        self._refuse_while_away()
        try:
            counted = self._host.call_blocking(self._ask, key, window_s, time.monotonic())
        except StorageError:
            self._note_away()
            raise CountersAway from None
        if self._away_since is not None:
            self._away_since = None
            _log.warning("rate limit storage answers again")
        return counted

    def _ask(self, key: str, window_s: int, asked_at: float) -> tuple[int, float]:
        if self._away_since is not None and self._away_since > asked_at:
            raise CountersAway  # it went away while this waited for a thread
        return self._storage.incr(key, window_s), self._storage.get_expiry(key)

    def _note_away(self) -> None:
        now = time.monotonic()
        if self._away_since is None:
            _log.warning("rate limit storage does not answer")
        self._away_since, self._look_at = now, now + RETRY_S

    def _refuse_while_away(self) -> None:
        """Let one caller look at a time."""
        if self._away_since is None:
            return
        with self._lock:
            now = time.monotonic()
            if now < self._look_at:
                raise CountersAway
            self._look_at = now + RETRY_S


def open_shared(settings: Settings, host: Host) -> SharedCounters | None:
    """Return the counters that the settings name; None for those of this process."""
    if settings.rate_limit_storage.startswith("memory"):
        return None
    return SharedCounters(settings.rate_limit_storage, host)


def _open(uri: str) -> Counters:
    try:
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        storage = storage_from_string(
            uri,
            wrap_exceptions=True,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),  # type: ignore[arg-type]  # handed on to redis as it is
        )
    except (ConfigurationError, ImportError):
        raise SettingsError(
            "BACKEND_RATE_LIMIT_STORAGE: Redis needs the extra octobot-backend[scale]"
        ) from None
    except ValueError:
        raise SettingsError(
            "BACKEND_RATE_LIMIT_STORAGE: memory:// or redis://host:port/number"
        ) from None
    return cast(Counters, storage)
