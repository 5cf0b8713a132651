"""Registration and password reset by one-time codes sent by mail.

Neither the responses nor their duration reveal which addresses are registered.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from email.message import EmailMessage
from functools import partial

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.client_networks import network_of
from backend.errors import (
    Conflict,
    FieldError,
    InvalidCode,
    RegistrationOff,
    UnknownReferralCode,
)
from backend.identity.mailer import Mailer
from backend.identity.passwords import Passwords, fits_admin, require_strong
from backend.identity.signing_keys import SigningKey
from backend.identity.store_sync import StoreSync
from backend.identity.user_view import user_view
from backend.schemas.auth import User
from backend.schemas.common import utc_now
from backend.schemas.registration import CodeCheck, PasswordReset, Registration
from backend.settings.model import Settings
from backend.store import Database, login_networks, models, user_changes, users
from backend.store import email_codes as stored_codes
from backend.store.email_codes import LIFETIME, Attempt, NewCode, Purpose

CODE_DIGITS = 8
_VALID_MINUTES = int(LIFETIME.total_seconds() // 60)
_TEXTS: dict[Purpose, tuple[str, str]] = {
    "register": ("Your code to register", "Finish your registration with this code"),
    "reset": ("Your code to set a new password", "Set a new password with this code"),
}
_ALREADY_REGISTERED = (
    "You have an account already",
    "Somebody, perhaps you, wanted to register with this address. There is an account with it "
    "already; if the password is lost, ask for a new one.",
)


class EmailCodes:
    """Issues and redeems mailed one-time codes. All methods may be called from any thread."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        passwords: Passwords,
        store_sync: StoreSync,
        key: SigningKey,
    ) -> None:
        self._is_registration_open = settings.registration
        self._database = database
        self._passwords = passwords
        self._sync = store_sync
        self._key = key.secret.encode()
        self._mailer = Mailer(settings)

    def close(self) -> None:
        """Stop the mailer."""
        self._mailer.close()

    def send(self, purpose: Purpose, email: str, address: str) -> None:
        """Queue a code for an address, if one is to be sent; returns at once in either case.

        Raises `RegistrationOff`, `MailOff`, and `MailUnavailable` when the mail queue is full.
        """
        self._check_allowed(purpose)
        self._mailer.submit(partial(self._issue, purpose, email, network_of(address)))

    def register(self, registration: Registration, address: str) -> User:
        """Create a viewer from the code sent to their address.

        Raises `InvalidCode`, `ValidationFailed` for a weak password, `Conflict` when the name is
        taken, and `UnknownReferralCode`: the code stays valid then, but referral codes cannot
        be guessed, since each unknown one counts as a wrong try at the mailed code.
        """
        self._check_allowed("register")
        code_id = self._verify("register", registration.email, registration.code, address)
        require_strong("password", registration.password, registration.username, "viewer")
        new = users.NewUser(
            registration.username,
            self._passwords.hash(registration.password),
            "viewer",
            utc_now(),
            registration.email,
            email_verified=True,
            name=registration.name,
            phone=registration.phone,
            password_fits_admin=fits_admin(registration.password, registration.username),
        )
        try:
            return user_view(
                self._sync.change(_register_user, code_id, new, registration.referral_code)
            )
        except UnknownReferralCode:
            self._database.write(stored_codes.count_failure, code_id, network_of(address))
            raise
        except IntegrityError:
            raise Conflict("the username or the email is taken") from None

    def check(self, check: CodeCheck, address: str) -> None:
        """Check the code for a registration without using it up; raises `InvalidCode`.

        A wrong one counts as a wrong try.
        """
        self._check_allowed("register")
        self._verify("register", check.email, check.code, address)

    def reset(self, request: PasswordReset, address: str) -> None:
        """Set a new password by the code sent to its owner, and revoke all their sessions.

        Raises `InvalidCode`, and `ValidationFailed` for a weak password: the code stays valid
        then. A second factor stays enabled.
        """
        code_id = self._verify("reset", request.email, request.code, address)
        user = self._database.read(users.find_by_email, request.email)
        if user is None:
            raise InvalidCode("the code was used already")
        require_strong("password", request.password, user.username, user.role)
        hashed = self._passwords.hash(request.password)
        change = user_changes.UserUpdate(
            password_hash=hashed,
            must_change_password=False,
            password_fits_admin=fits_admin(request.password, user.username),
        )
        self._sync.change(_reset_password, code_id, request.email, change, network_of(address))

    def _check_allowed(self, purpose: Purpose) -> None:
        if purpose == "register" and not self._is_registration_open:
            raise RegistrationOff("an admin creates the users here")

    def _issue(self, purpose: Purpose, email: str, network: str) -> EmailMessage | None:
        """Store a code's hash and return the mail with the code; runs in the mailer's thread.

        For an address without a code a random hash is stored all the same: verifying
        against it takes as long.
        """
        user = self._database.read(users.find_by_email, email)
        code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}"
        if purpose == "register":
            is_sent = user is None
        else:
            is_sent = user is not None and user.disabled_at is None
        code_hash = self._hash(purpose, email, code) if is_sent else secrets.token_hex(32)
        now = utc_now()
        is_known = user is not None and self._database.read(
            login_networks.is_known, user.username, network, now
        )
        new = NewCode(purpose, email, code_hash, network, is_known, now)
        if not self._database.write(stored_codes.issue, new):
            return None
        if is_sent:
            subject, text = _TEXTS[purpose]
            return _mail(email, subject, f"{text}, within {_VALID_MINUTES} minutes:\n\n{code}\n")
        if purpose == "register":
            return _mail(email, *_ALREADY_REGISTERED)
        return None

    def _verify(self, purpose: Purpose, email: str, code: str, address: str) -> str:
        digest = self._hash(purpose, email, code)
        attempt = Attempt(purpose, email, digest, network_of(address), utc_now())
        code_id = self._database.write(stored_codes.verify, attempt)
        if code_id is None:
            raise InvalidCode("the code is wrong or too old, or was tried too often")
        return code_id

    def _hash(self, purpose: Purpose, email: str, code: str) -> str:
        """Return the HMAC of a code: a plain hash of eight digits could be inverted."""
        text = f"{purpose}\n{email}\n{code}".encode()
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()


def _register_user(
    session: Session, code_id: str, new: users.NewUser, referral_code: str | None
) -> models.User:
    if not stored_codes.mark_spent(session, code_id, new.created_at):
        raise InvalidCode("the code was used already")
    if referral_code is None:
        return users.insert(session, new)
    inviter = users.lock_inviter(session, referral_code)
    if inviter is None:
        fields = [FieldError("referral_code", "no user has this code; leave it out or correct it")]
        raise UnknownReferralCode(fields=fields)
    return users.insert(session, new._replace(invited_by=inviter.id))


def _reset_password(
    session: Session, code_id: str, email: str, change: user_changes.UserUpdate, network: str
) -> None:
    now = utc_now()
    user = users.find_by_email(session, email)
    if user is None or not stored_codes.mark_spent(session, code_id, now):
        raise InvalidCode("the code was used already")
    user_changes.update(session, user.id, change, now)
    user.email_verified = True
    login_networks.record(session, user.id, network, now)


def _mail(email: str, subject: str, text: str) -> EmailMessage:
    message = EmailMessage()
    message["To"], message["Subject"] = email, subject
    message.set_content(f"{text}\nIf you did not ask for this, ignore it.\n")
    return message
