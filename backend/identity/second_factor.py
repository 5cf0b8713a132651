"""The second factor: time-based codes of an app (RFC 6238), and recovery codes."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from functools import partial

import pyotp

from backend.errors import Conflict, FieldError, NotFound, RateLimited, ValidationFailed
from backend.identity.store_sync import StoreSync
from backend.schemas.auth import Enrolment, RecoveryCodes
from backend.schemas.common import utc_now
from backend.store import Database, second_factors
from backend.store.encryption import Cipher
from backend.store.second_factors import LOCKED_FOR, Outcome

ISSUER = "OctoBot"
RECOVERY_CODES = 10
STEP_S = 30
_DRIFT = 1
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


class SecondFactors:
    """The second factors of users. All methods may be called from any thread."""

    def __init__(self, database: Database, watch: StoreSync, sealer: Cipher) -> None:
        self._database = database
        self._watch = watch
        self._sealer = sealer

    def begin(self, user_id: str, username: str) -> Enrolment:
        """Make a seed for a user's app; it counts once a code of it was shown.

        Raises `Conflict` when a second factor is in force.
        """
        seed = pyotp.random_base32()
        sealed = self._sealer.seal(_purpose(user_id), {"seed": seed})
        if not self._database.write(second_factors.begin, user_id, sealed, utc_now()):
            raise Conflict("a second factor is in force; remove it first")
        uri = pyotp.TOTP(seed).provisioning_uri(name=username, issuer_name=ISSUER)
        return Enrolment(secret=seed, uri=uri)

    def confirm(self, user_id: str, code: str) -> RecoveryCodes:
        """Put the seed in force; the recovery codes that this returns are not shown again."""
        codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
        match, digests = partial(self._match, user_id, code), map(_digest, codes)
        outcome = self._watch.change(second_factors.confirm, user_id, match, digests, utc_now())
        if outcome == "none":
            raise Conflict("nothing is to be confirmed")
        _refuse_locked(outcome)
        if outcome == "wrong":
            raise ValidationFailed(fields=[FieldError("code", "is not the app's present code")])
        return RecoveryCodes(recovery_codes=codes)

    def fits(self, user_id: str, code: str) -> bool:
        """Take a code; raises `RateLimited` after too many wrong ones."""
        match = partial(self._match, user_id, code)
        outcome = self._database.write(second_factors.use, user_id, match, _digest(code), utc_now())
        _refuse_locked(outcome)
        return outcome == "fits"

    def remove(self, user_id: str) -> None:
        """Put a user's second factor out of force; raises `NotFound`."""
        if self._watch.change(second_factors.remove, user_id) is None:
            raise NotFound("no such user")

    def _match(self, user_id: str, code: str, sealed: str, last_step: int) -> int | None:
        """Return the time step that a code is of: about now, and later than the last one."""
        if not re.fullmatch(r"[0-9]{6}", code):
            return None
        app = pyotp.TOTP(self._sealer.open(_purpose(user_id), sealed)["seed"])
        now = int(utc_now().timestamp()) // STEP_S
        for step in range(now - _DRIFT, now + _DRIFT + 1):
            if step > last_step and hmac.compare_digest(app.generate_otp(step), code):
                return step
        return None


def _refuse_locked(outcome: Outcome) -> None:
    if outcome == "locked":
        wait_s = int(LOCKED_FOR.total_seconds())
        raise RateLimited("too many wrong codes; try again later", retry_after_s=wait_s)


def _purpose(user_id: str) -> str:
    return f"second factor of {user_id}"


def _recovery_code() -> str:
    """Make a code of 79 bits: too random to be guessed from its SHA-256."""
    letters = [secrets.choice(_LETTERS) for _ in range(16)]
    return "-".join("".join(letters[start : start + 4]) for start in range(0, 16, 4))


def _digest(code: str) -> str:
    plain = re.sub(r"[\s-]", "", code.lower())
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()
