"""Registering, and setting a lost password anew, by a code that was sent by mail.

Neither answers nor the time they take tell which addresses have an account.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from email.message import EmailMessage
from functools import partial

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.errors import Conflict, InvalidCode, RegistrationOff
from backend.identity.mailer import Mailer
from backend.identity.passwords import Passwords
from backend.identity.signing_keys import SigningKey
from backend.identity.store_sync import StoreSync
from backend.identity.user_view import user_view
from backend.schemas.auth import User
from backend.schemas.common import utc_now
from backend.schemas.registration import PasswordReset, Registration
from backend.settings.model import Settings
from backend.store import Database, models, users
from backend.store import email_codes as mailed_codes
from backend.store import user_changes as accounts
from backend.store.email_codes import LIFE, Attempt, Purpose

_MINUTES = int(LIFE.total_seconds() // 60)
_WORDS: dict[Purpose, tuple[str, str]] = {
    "register": ("Your code to register", "Finish your registration with this code"),
    "reset": ("Your code to set a new password", "Set a new password with this code"),
}
_KNOWN = (
    "You have an account already",
    "Somebody, perhaps you, wanted to register with this address. There is an account with it "
    "already; if the password is lost, ask for a new one.",
)


class EmailCodes:
    """Codes by mail. All methods may be called from any thread."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        passwords: Passwords,
        watch: StoreSync,
        key: SigningKey,
    ) -> None:
        self._registration = settings.registration
        self._database = database
        self._passwords = passwords
        self._watch = watch
        self._key = key.secret.encode()
        self._mailer = Mailer(settings)

    def close(self) -> None:
        """Let go of the mailer."""
        self._mailer.close()

    def ask(self, purpose: Purpose, email: str) -> None:
        """Have a code sent to an address, if there is one to send; returns at once, always alike.

        Raises `RegistrationOff`, `MailOff`, and `MailUnavailable` when too many mails wait.
        """
        self._check_allowed(purpose)
        self._mailer.do(partial(self._prepare, purpose, email))

    def register(self, wanted: Registration) -> User:
        """Create a viewer who showed the code sent to their address.

        Raises `InvalidCode`, and `Conflict` when the name is taken: the code
        stays good then.
        """
        self._check_allowed("register")
        code_id = self._check("register", wanted.email, wanted.code)
        hashed = self._passwords.hash(wanted.password)
        new = users.NewUser(wanted.username, hashed, "viewer", utc_now(), wanted.email)
        try:
            return user_view(self._watch.change(_register, code_id, new))
        except IntegrityError:
            raise Conflict("the username or the email is taken") from None

    def reset(self, wanted: PasswordReset) -> None:
        """Set a new password for whoever showed the code, and end all their sessions.

        Raises `InvalidCode`. A second factor stays in force.
        """
        code_id = self._check("reset", wanted.email, wanted.code)
        hashed = self._passwords.hash(wanted.password)
        self._watch.change(_reset, code_id, wanted.email, hashed)

    def _check_allowed(self, purpose: Purpose) -> None:
        if purpose == "register" and not self._registration:
            raise RegistrationOff("an admin creates the users here")

    def _prepare(self, purpose: Purpose, email: str) -> EmailMessage | None:
        """Keep a code and return the mail that tells it; in the mailer's thread.

        For an address that gets no code one is kept all the same, which nobody
        knows: trying it takes as long.
        """
        user = self._database.read(users.find_by_email, email)
        code = f"{secrets.randbelow(10**6):06}"
        told = (user is None) if purpose == "register" else (user is not None and _is_in(user))
        kept = self._digest(purpose, email, code) if told else secrets.token_hex(32)
        if not self._database.write(mailed_codes.issue, purpose, email, kept, utc_now()):
            return None
        if told:
            subject, words = _WORDS[purpose]
            return _mail(email, subject, f"{words}, within {_MINUTES} minutes:\n\n{code}\n")
        if purpose == "register":
            return _mail(email, *_KNOWN)
        return None

    def _check(self, purpose: Purpose, email: str, code: str) -> str:
        attempt = Attempt(purpose, email, self._digest(purpose, email, code), utc_now())
        code_id = self._database.write(mailed_codes.check, attempt)
        if code_id is None:
            raise InvalidCode("the code is wrong or too old, or was tried too often")
        return code_id

    def _digest(self, purpose: Purpose, email: str, code: str) -> str:
        """Hash a code under the signing key: six digits alone would be guessed from the hash."""
        text = f"{purpose}\n{email}\n{code}".encode()
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()


def _is_in(user: models.User) -> bool:
    return user.disabled_at is None


def _register(session: Session, code_id: str, new: users.NewUser) -> models.User:
    if not mailed_codes.spend(session, code_id, new.created_at):
        raise InvalidCode("the code was used already")
    return users.add(session, new)


def _reset(session: Session, code_id: str, email: str, hashed: str) -> None:
    now = utc_now()
    user = users.find_by_email(session, email)
    if user is None or not mailed_codes.spend(session, code_id, now):
        raise InvalidCode("the code was used already")
    change = accounts.Change(password_hash=hashed, must_change_password=False)
    accounts.change(session, user.id, change, now)


def _mail(email: str, subject: str, text: str) -> EmailMessage:
    message = EmailMessage()
    message["To"], message["Subject"] = email, subject
    message.set_content(f"{text}\nIf you did not ask for this, ignore it.\n")
    return message
