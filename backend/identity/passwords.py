"""Password hashes: argon2id, a few at a time, the same work for a name that nobody bears."""

from __future__ import annotations

import os
import secrets
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from backend.concurrency.host import Host
from backend.errors import RateLimited

T = TypeVar("T")

MOST_WAITING = 64
_TIMEOUT_S = 10


class Passwords:
    """Hashes and verifies passwords in threads of its own.

    Their number is small: a flood of logins must take neither the machine
    from the bot nor the host's pool from everybody's SQL.
    """

    def __init__(self, host: Host) -> None:
        # OWASP's second choice for argon2id: 19 MiB, two passes, one lane
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._dummy = self._hasher.hash(secrets.token_bytes())  # fits nothing that can be typed
        self._host = host
        workers = max(1, min(2, (os.cpu_count() or 1) // 2))
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="passwords")
        self._places = threading.BoundedSemaphore(workers + MOST_WAITING)

    def hash(self, password: str) -> str:
        """Return the hash to keep, with its salt and parameters."""
        return self._run(lambda: self._hasher.hash(_octets(password)))

    def verify(self, known: str | None, password: str) -> bool:
        """Tell whether a password fits its hash.

        Without a hash the answer is no, after the same work, so that the time
        that it takes does not tell which names exist.
        """
        return self._run(lambda: self._fits(known or self._dummy, password))

    def is_outdated(self, known: str) -> bool:
        """Whether a hash was made with other parameters than new ones are."""
        return self._hasher.check_needs_rehash(known)

    def close(self) -> None:
        """End the threads; what still waits is dropped."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _fits(self, known: str, password: str) -> bool:
        try:
            return self._hasher.verify(known, _octets(password))
        except (VerificationError, InvalidHashError):
            return False

    def _run(self, work: Callable[[], T]) -> T:
        if not self._places.acquire(blocking=False):
            raise RateLimited("too many logins at once", retry_after_s=1)
        future = self._threads.submit(work)
        future.add_done_callback(self._leave)
        try:
            return self._host.wait(future, _TIMEOUT_S)
        except TimeoutError:
            future.cancel()
            raise RateLimited("too many logins at once", retry_after_s=1) from None

    def _leave(self, _done: Future[T]) -> None:
        self._places.release()


def _octets(password: str) -> bytes:
    """One password typed on two keyboards is one: compose its characters (NIST SP 800-63B)."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
