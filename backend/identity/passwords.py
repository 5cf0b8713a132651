"""Password hashing with argon2id, in a small thread pool, in constant time for unknown names."""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
import unicodedata
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import structlog
from argon2 import PasswordHasher
from argon2.exceptions import (
    HashingError,
    InvalidHashError,
    VerificationError,
    VerifyMismatchError,
)
from argon2.low_level import hash_secret_raw

from backend.concurrency.host import Host
from backend.errors import FieldError, HashingUnavailable, RateLimited, ValidationFailed
from backend.schemas.auth import Role
from backend.settings.password_rules import password_weakness

T = TypeVar("T")

MAX_WAITING = 64
_log = structlog.get_logger(__name__)
_TIMEOUT_S = 10


class Passwords:
    """Hashes and verifies passwords in threads of its own.

    Their number is small: a flood of logins must not starve the bot of the machine, nor
    SQL of the host's thread pool.
    """

    def __init__(self, host: Host) -> None:
        # OWASP's second choice for argon2id: 19 MiB, two passes, one lane
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._dummy = self._hasher.hash(secrets.token_bytes())  # matches no typed password
        self._host = host
        workers = max(1, min(2, (os.cpu_count() or 1) // 2))
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="passwords")
        self._slots = threading.BoundedSemaphore(workers + MAX_WAITING)

    def hash(self, password: str) -> str:
        """Return the hash to store, with its salt and parameters."""
        return self._run(lambda: self._hasher.hash(_normalized(password)))

    def verify(self, password_hash: str | None, password: str) -> bool:
        """Return whether a password matches its hash.

        Without a hash the result is False, after the same work, so that its duration
        does not reveal which names exist.
        """
        return self._run(lambda: self._matches(password_hash or self._dummy, password))

    def derive(self, texts: Sequence[str], salt: str) -> list[str]:
        """Return digests of random texts that can be looked up: one salt, at a password's cost."""
        return self._run(lambda: [self._derive(text, salt) for text in texts])

    def needs_rehash(self, password_hash: str) -> bool:
        """Return whether a hash was made with other parameters than new ones."""
        return self._hasher.check_needs_rehash(password_hash)

    def close(self) -> None:
        """Stop the threads; waiting work is dropped."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, _normalized(password))
        except (VerifyMismatchError, InvalidHashError):
            return False

    def _derive(self, text: str, salt: str) -> str:
        parameters = self._hasher
        digest = hash_secret_raw(
            text.encode("utf-8", "surrogatepass"),
            hashlib.sha256(salt.encode()).digest(),
            time_cost=parameters.time_cost,
            memory_cost=parameters.memory_cost,
            parallelism=parameters.parallelism,
            hash_len=32,
            type=parameters.type,
        )
        return digest.hex()

    def _run(self, work: Callable[[], T]) -> T:
        if not self._slots.acquire(blocking=False):
            raise RateLimited("too many logins at once", retry_after_s=1)
        future = self._threads.submit(work)
        future.add_done_callback(self._release_slot)
        try:
            return self._host.wait(future, _TIMEOUT_S)
        except TimeoutError:
            future.cancel()
            raise RateLimited("too many logins at once", retry_after_s=1) from None
        except (HashingError, VerificationError, MemoryError) as error:
            # a password that could not be checked is not a wrong one
            _log.error("passwords cannot be hashed", reason=str(error) or type(error).__name__)
            raise HashingUnavailable("there is no memory to check a password") from error

    def _release_slot(self, _done: Future[T]) -> None:
        self._slots.release()


def fits_admin(password: str, username: str) -> bool:
    """Return whether a password meets the rules for admins."""
    return password_weakness(password, username, "admin") is None


def require_strong(field: str, password: str, username: str, role: Role) -> None:
    """Raise `ValidationFailed` that names what is wrong with a new password."""
    weakness = password_weakness(password, username, role)
    if weakness is not None:
        raise ValidationFailed(fields=[FieldError(field, weakness)])


def _normalized(password: str) -> bytes:
    """Normalize a password, so that keyboards' encodings do not matter (NIST SP 800-63B)."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
