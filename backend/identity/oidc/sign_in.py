"""Sign-ins with an OpenID provider: begun, finished by a code of this server, linked to users."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta
from typing import NamedTuple
from urllib.parse import urlencode

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.concurrency.host import Host
from backend.errors import (
    AccountNotLinked,
    ApiError,
    EmailNotVerified,
    FieldError,
    InvalidCode,
    OidcOff,
    RegistrationOff,
    SignInFailed,
    ValidationFailed,
)
from backend.identity.oidc.claims import Claims
from backend.identity.oidc.provider import Provider
from backend.identity.passwords import Passwords
from backend.identity.store_sync import StoreSync
from backend.identity.users import USERNAME
from backend.schemas.common import utc_now
from backend.schemas.oidc import CallbackQuery, SignIn, SignInCode, SignInNonce, SignInQuery
from backend.settings.model import Settings
from backend.store import Database, models, oidc, oidc_models, users
from backend.store.oidc import CODE_LIFETIME, STATE_LIFETIME, NewCode, NewState
from backend.store.users import NewUser

CALLBACK = "/api/v1/auth/oidc/callback"


class Begun(NamedTuple):
    """Where a browser signs in, and the cookie by which it is known again."""

    url: str
    cookie: str


class Vouched(NamedTuple):
    """User that a provider vouches for, by which code, and whether they authenticated just now."""

    user: models.User
    digest: str
    is_fresh: bool


class OidcSignIn:
    """Signs users in with the settings' provider. All methods may be called from any thread.

    Methods raise `OidcOff` where there is none, and `ProviderUnavailable`.
    """

    def __init__(
        self,
        settings: Settings,
        host: Host,
        database: Database,
        store_sync: StoreSync,
        passwords: Passwords,
    ) -> None:
        self._host = host
        self._database = database
        self._sync = store_sync
        self._passwords = passwords
        self._return_urls = frozenset(settings.oidc_return_urls)
        self._is_registration_open = settings.oidc_registration
        self.redirect_uri = settings.oidc_redirect_uri or _own_address(settings)
        self._known_provider = (
            Provider(settings, self.redirect_uri or "") if settings.oidc_issuer else None
        )

    def begin(self, query: SignInQuery) -> Begun:
        """Begin a browser's sign-in; raises `ValidationFailed` for a place that is not allowed."""
        provider = self._provider()
        if self.redirect_uri is None:
            raise OidcOff("signing in with a browser takes BACKEND_OIDC_REDIRECT_URI")
        if query.return_to not in self._return_urls:
            message = "is not one of BACKEND_OIDC_RETURN_URLS"
            raise ValidationFailed(fields=[FieldError("return_to", message)])
        state, nonce, verifier, cookie = (secrets.token_urlsafe(32) for _ in range(4))
        url = self._host.call_blocking(
            provider.authorization_url,
            state,
            nonce,
            verifier,
            reauthenticate=query.reauthenticate,
        )
        begun = NewState(
            _digest(state), nonce, verifier, _digest(cookie), query.return_to, query.code_challenge
        )
        self._database.write(oidc.begin, begun, utc_now())
        return Begun(url, cookie)

    def finish(self, query: CallbackQuery, cookie: str) -> str:
        """Return where the browser goes with a code for its sign-in, or with an error's type.

        Raises `SignInFailed` for a state that this browser did not begin with.
        """
        provider = self._provider()
        digest, known = _digest(query.state), _digest(cookie)
        state = self._database.write(oidc.take_state, digest, known, utc_now())
        if state is None:
            raise SignInFailed("this browser began no such sign-in, or too long ago; begin again")
        if query.code is None or query.iss not in (None, provider.issuer):
            return _with_query(state.return_to, error="sign_in_failed")
        try:
            claims = self._host.call_blocking(
                provider.exchange, query.code, state.nonce, state.code_verifier
            )
        except ApiError as error:
            return _with_query(state.return_to, error=error.type)
        code = self._vouch(claims, state.code_challenge)
        return _with_query(state.return_to, sign_in_code=code)

    def new_nonce(self) -> SignInNonce:
        """Return a nonce for an app's ID token."""
        self._provider()
        nonce = secrets.token_urlsafe(32)
        self._database.write(oidc.begin, NewState(_digest(nonce), nonce), utc_now())
        return SignInNonce(nonce=nonce, expires_in=int(STATE_LIFETIME.total_seconds()))

    def accept_id_token(self, id_token: str, nonce: str) -> SignInCode:
        """Return a code for an app's ID token, once for its nonce; raises `InvalidIdToken`."""
        provider = self._provider()
        if self._database.write(oidc.take_state, _digest(nonce), "", utc_now()) is None:
            raise SignInFailed("the nonce is not of this server, was used, or is too old")
        claims = self._host.call_blocking(provider.verify, id_token, nonce)
        code = self._vouch(claims, "")
        return SignInCode(sign_in_code=code, expires_in=int(CODE_LIFETIME.total_seconds()))

    def find_user(self, sign_in: SignIn, fresh_for: timedelta) -> Vouched:
        """Return the user of a code, which stays valid: a second factor may be needed too.

        A new identity is linked to the user with its address when both sides have verified it,
        or becomes a new user. Raises `InvalidCode`, `EmailNotVerified`, `AccountNotLinked` and
        `RegistrationOff`.
        """
        self._provider()
        now = utc_now()
        code = self._database.read(oidc.find_code, _digest(sign_in.sign_in_code), now)
        if code is None or not _is_own(code, sign_in.code_verifier):
            raise InvalidCode("the code is wrong, used or too old; begin again")
        user = self._database.read(oidc.find_user, code.issuer, code.subject)
        at = code.authenticated_at
        is_fresh = at is not None and now - at < fresh_for
        return Vouched(user or self._join(code), code.digest, is_fresh)

    def spend(self, digest: str) -> None:
        """Spend a code; raises `InvalidCode` if it was spent meanwhile."""
        if not self._database.write(oidc.spend_code, digest):
            raise InvalidCode("the code was used already")

    def _provider(self) -> Provider:
        if self._known_provider is None:
            raise OidcOff("this server has no BACKEND_OIDC_ISSUER")
        return self._known_provider

    def _vouch(self, claims: Claims, code_challenge: str) -> str:
        code = secrets.token_urlsafe(32)
        new = NewCode(_digest(code), *claims, code_challenge=code_challenge)
        self._database.write(oidc.add_code, new, utc_now())
        return code

    def _join(self, code: oidc_models.SignInCode) -> models.User:
        """Link a new identity to the user with its address, or to a new one."""
        if code.email is None or not code.email_verified:
            raise EmailNotVerified("the provider has not verified the address")
        user = self._database.read(users.find_by_email, code.email)
        try:
            if user is None:
                return self._register(code, code.email)
            return self._sync.change(_link_verified, code, code.email)
        except IntegrityError:  # another request was first
            raise AccountNotLinked("the account changed meanwhile; try again") from None

    def _register(self, code: oidc_models.SignInCode, email: str) -> models.User:
        if not self._is_registration_open:
            raise RegistrationOff("an admin creates the users here")
        # of a random password: one of their own takes a reset by mail
        hashed = self._passwords.hash(secrets.token_urlsafe(32))
        return self._sync.change(_register_linked, code, email, hashed)


def _link_verified(session: Session, code: oidc_models.SignInCode, email: str) -> models.User:
    found = users.find_by_email(session, email)
    user = None if found is None else users.lock(session, found.id)
    if user is None or user.email != email or not user.email_verified:
        raise AccountNotLinked(
            "an account has this address, which was never verified here: reset its password by"
            " mail once, and sign in again"
        )
    return oidc.link(session, code.issuer, code.subject, user, utc_now())


def _register_linked(
    session: Session, code: oidc_models.SignInCode, email: str, hashed: str
) -> models.User:
    name = email if USERNAME.fullmatch(email) else ""
    if not name or users.find_by_name(session, name) is not None:
        name = f"user-{secrets.token_hex(8)}"
    new = NewUser(
        name,
        hashed,
        "viewer",
        utc_now(),
        email,
        email_verified=True,
        password_fits_admin=True,  # a random one, which nobody knows
    )
    user = users.insert(session, new)
    return oidc.link(session, code.issuer, code.subject, user, utc_now())


def _is_own(code: oidc_models.SignInCode, verifier: str | None) -> bool:
    """Return whether a client has the verifier whose challenge the sign-in began with."""
    if not code.code_challenge:
        return verifier is None
    challenge = create_s256_code_challenge(verifier or "")
    return hmac.compare_digest(challenge, code.code_challenge)


def _own_address(settings: Settings) -> str | None:
    if settings.env == "production":
        return None
    return f"{'https' if settings.tls_cert else 'http'}://localhost:{settings.port}{CALLBACK}"


def _with_query(url: str, **parameters: str) -> str:
    return f"{url}?{urlencode(parameters)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
