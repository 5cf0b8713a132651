"""Authenticator apps: time-based one-time passwords (RFC 6238); and recovery codes."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from functools import partial

import pyotp

from backend.errors import Conflict, FieldError, NotFound, RateLimited, ValidationFailed
from backend.identity.passwords import Passwords
from backend.identity.store_sync import StoreSync
from backend.schemas.auth import Enrolment, RecoveryCodes, Role
from backend.schemas.common import utc_now
from backend.store import Database, second_factors
from backend.store.encryption import Cipher
from backend.store.second_factors import LOCKOUT, Match, Outcome

ISSUER = "OctoBot"
RECOVERY_CODE_COUNT = 10
STEP_S = 30
_DRIFT_STEPS = 1
_USED_AHEAD = "used_ahead"
_MOST_USED_AHEAD = 16
_APP_CODE = re.compile(r"[0-9]{6}")
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


class SecondFactors:
    """Enrolls, verifies and removes authenticator apps. All methods may be called from any thread.

    Users of the roles in `demanding` cannot remove their last second factor.
    """

    def __init__(
        self,
        database: Database,
        store_sync: StoreSync,
        cipher: Cipher,
        passwords: Passwords,
        demanding: frozenset[Role] = frozenset(),
    ) -> None:
        self.demanding = demanding
        self._passwords = passwords
        self._database = database
        self._sync = store_sync
        self._cipher = cipher

    def enroll(self, user_id: str, username: str) -> Enrolment:
        """Generate a seed for a user's app; it is enabled by confirming one of its codes.

        Raises `Conflict` when an app is enabled.
        """
        seed = pyotp.random_base32()
        sealed = self._cipher.encrypt(_purpose(user_id), {"seed": seed})
        if not self._database.write(second_factors.insert_unconfirmed, user_id, sealed, utc_now()):
            raise Conflict("an app is in force; remove it first")
        uri = pyotp.TOTP(seed).provisioning_uri(name=username, issuer_name=ISSUER)
        return Enrolment(secret=seed, uri=uri)

    def confirm(self, user_id: str, code: str) -> RecoveryCodes:
        """Enable the enrolled seed; the returned recovery codes are not returned again."""
        codes, digests = self.new_recovery_codes(user_id)
        match = partial(self._match, user_id, code)
        outcome = self._sync.change(second_factors.confirm, user_id, match, digests, utc_now())
        if outcome == "none":
            raise Conflict("nothing is to be confirmed")
        _raise_if_locked(outcome)
        if outcome == "wrong":
            raise ValidationFailed(fields=[FieldError("code", "is not the app's present code")])
        return RecoveryCodes(recovery_codes=codes)

    def verify(self, user_id: str, code: str) -> bool:
        """Verify and consume a code; raises `RateLimited` after too many wrong ones."""
        match = partial(self._match, user_id, code)
        outcome = self._database.write(
            second_factors.verify, user_id, match, self._recovery_digests(user_id, code), utc_now()
        )
        _raise_if_locked(outcome)
        return outcome == "accepted"

    def new_recovery_codes(self, user_id: str) -> tuple[list[str], list[str]]:
        """Generate recovery codes for a user; return them and the digests to store."""
        codes = [_recovery_code() for _ in range(RECOVERY_CODE_COUNT)]
        return codes, self._passwords.derive([_plain(code) for code in codes], user_id)

    def has_app(self, user_id: str) -> bool:
        """Return whether a user's app is enabled."""
        return self._database.read(second_factors.has_app, user_id)

    def remove_app(self, user_id: str) -> bool:
        """Remove a user's app and return whether another second factor is left.

        Raises `NotFound`, and `LastSecondFactor` where the user's role needs one.
        """
        user = self._sync.change(second_factors.remove_app, user_id, self.demanding)
        if user is None:
            raise NotFound("no such user")
        return user.second_factor

    def remove_all(self, user_id: str) -> None:
        """Remove all second factors of a user who has lost them; raises `NotFound`."""
        if self._sync.change(second_factors.disable, user_id) is None:
            raise NotFound("no such user")

    def _recovery_digests(self, user_id: str, code: str) -> Sequence[str]:
        """Return the digests that a recovery code may be stored under, none for an app's code."""
        if _APP_CODE.fullmatch(code):
            return ()
        plain = _plain(code)
        # what was issued before version 0.3
        sha256 = hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()
        return (*self._passwords.derive([plain], user_id), sha256)

    def _match(self, user_id: str, code: str, sealed: str, last_step: int) -> Match | None:
        """Match a code to a time step about now, and after `last_step`.

        If that is still to come, the clock ran ahead and was set right: it is remembered as
        used beside the seed, and the present steps are taken.
        """
        if not _APP_CODE.fullmatch(code):
            return None
        content = self._cipher.decrypt(_purpose(user_id), sealed)
        used_ahead = content.get(_USED_AHEAD, "").split()
        app = pyotp.TOTP(content["seed"])
        now = int(utc_now().timestamp()) // STEP_S
        if last_step > now + _DRIFT_STEPS:
            used_ahead = [*used_ahead, str(last_step)][-_MOST_USED_AHEAD:]
            content = {**content, _USED_AHEAD: " ".join(used_ahead)}
            sealed, last_step = self._cipher.encrypt(_purpose(user_id), content), 0
        for step in range(now - _DRIFT_STEPS, now + _DRIFT_STEPS + 1):
            is_unused = step > last_step and str(step) not in used_ahead
            if is_unused and hmac.compare_digest(app.generate_otp(step), code):
                return Match(step, sealed)
        return None


def _raise_if_locked(outcome: Outcome) -> None:
    if outcome == "locked":
        wait_s = int(LOCKOUT.total_seconds())
        raise RateLimited("too many wrong codes; try again later", retry_after_s=wait_s)


def _purpose(user_id: str) -> str:
    return f"second factor of {user_id}"


def _recovery_code() -> str:
    """Generate a code of 79 bits."""
    letters = [secrets.choice(_LETTERS) for _ in range(16)]
    return "-".join("".join(letters[start : start + 4]) for start in range(0, 16, 4))


def _plain(code: str) -> str:
    """Return a recovery code however it was typed."""
    return re.sub(r"[\s-]", "", code.lower())
