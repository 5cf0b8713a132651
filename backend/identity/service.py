"""The identity service: logins, sessions, tokens, and the users behind them."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Literal

from backend.concurrency.host import Host
from backend.errors import (
    AddressNotAllowed,
    Conflict,
    FieldError,
    InvalidApiKey,
    InvalidCredentials,
    InvalidToken,
    SecondFactorRequired,
    TokenExpired,
    TokenReused,
    ValidationFailed,
    WrongCode,
)
from backend.identity import api_keys
from backend.identity.api_keys import LONGEST_KEY, ApiKeys
from backend.identity.email_codes import EmailCodes
from backend.identity.passwords import Passwords
from backend.identity.principal import Principal
from backend.identity.second_factor import SecondFactors
from backend.identity.sessions import Sessions
from backend.identity.signing_keys import signing_keys
from backend.identity.store_sync import StoreSync
from backend.identity.token_status import LONGEST_LIFE
from backend.identity.tokens import AccessTokens, digest, new_refresh_token
from backend.identity.user_view import user_view
from backend.identity.users import USERNAME, Users
from backend.schemas.auth import AccessToken, Tokens, User
from backend.schemas.common import utc_now
from backend.settings.model import Settings, SettingsError
from backend.store import Database, models, sessions, users
from backend.store import refresh_tokens as families
from backend.store.encryption import Cipher

STEP_UP_S = 300
"""How long after showing a password or code one may do what takes that."""


class Identity:
    """Who is calling, for one app. All methods may be called from any thread."""

    def __init__(self, settings: Settings, database: Database, host: Host) -> None:
        self._refresh_life = timedelta(seconds=settings.refresh_expiry)
        self._database = database
        self._passwords = Passwords(host)
        keys = signing_keys(settings)
        self._tokens = AccessTokens(keys, settings.token_expiry)
        self._watch = StoreSync(database)
        self._standing = self._watch.standing
        self.accounts = Users(database, self._passwords, self._watch)
        self.sessions = Sessions(database, self._watch)
        self.api_keys = ApiKeys(database, self._watch)
        self.second_factors = SecondFactors(database, self._watch, Cipher(settings))
        self.mailed_codes = EmailCodes(settings, database, self._passwords, self._watch, keys[0])
        database.write(sessions.prune, utc_now() - LONGEST_LIFE)
        self._watch.start()

    def login(
        self,
        username: str,
        password: str,
        address: str,
        user_agent: str,
        code: str | None = None,
    ) -> Tokens:
        """Open a session; raises `InvalidCredentials`, after the same work whatever was wrong.

        Where a second factor is in force, the right password without a code
        raises `SecondFactorRequired`, and with a wrong one `WrongCode`.
        """
        user = self._find(username)
        fits = self._passwords.verify(user.password_hash if user else None, password)
        if user is None or not fits:
            raise InvalidCredentials(username=user.username if user else _hidden(username))
        self._check_second_factor(user, code)
        rehashed = None
        if self._passwords.is_outdated(user.password_hash):
            rehashed = self._passwords.hash(password)
        refresh_token, kept = self._new_refresh_token(address, user_agent)
        session_id = self._database.write(sessions.start, user, rehashed, kept)
        if session_id is None:
            raise InvalidCredentials(username=user.username)
        return self._grant(user, session_id, refresh_token, proved=True)

    def refresh(self, refresh_token: str, address: str, user_agent: str) -> Tokens:
        """Trade a refresh token in for new tokens.

        Raises `TokenReused` for one that was traded in before, and ends its
        session; `TokenExpired` or `InvalidToken` for one that is of no use.
        """
        successor, kept = self._new_refresh_token(address, user_agent)
        found = self._database.write(families.rotate, digest(refresh_token), kept)
        username = found.user.username if found.user else None
        if found.outcome == "reused" and found.family_id:
            self._standing.end_sessions([(found.family_id, kept.created_at)])
            raise TokenReused("the session is over; log in again", username=username)
        if found.outcome == "expired":
            raise TokenExpired(username=username)
        if found.outcome == "refused" or found.user is None or found.family_id is None:
            raise InvalidToken(username=username)
        return self._grant(found.user, found.family_id, successor, proved=False)

    def logout(
        self, principal: Principal, refresh_token: str | None, *, everywhere: bool = False
    ) -> Literal["token", "session", "everything"]:
        """End the caller's access token and, given one of their refresh tokens, its session.

        Returns what was ended. A refresh token that is nobody's or another's is
        ignored: the caller is logged out all the same.
        """
        now = utc_now()
        session_id = self._database.write(
            sessions.end,
            principal.token_id,
            principal.expires_at,
            user_id=principal.user_id,
            digest=digest(refresh_token) if refresh_token else None,
            at=now,
        )
        self._standing.end([(principal.token_id, principal.expires_at)])
        if everywhere:
            self.sessions.end_all(principal.user_id)
            return "everything"
        if session_id is None:
            return "token"
        self._standing.end_sessions([(session_id, now)])
        return "session"

    def principal(self, access_token: str) -> Principal:
        """Return who bears an access token; raises `TokenExpired` or `InvalidToken`."""
        principal = self._tokens.read(access_token)
        if not self._standing.allows(principal):
            raise InvalidToken("the token was revoked", username=principal.username)
        return principal

    def key_holder(self, key: str, address: str) -> Principal:
        """Return who acts by an API key; raises `InvalidApiKey` or `AddressNotAllowed`."""
        found = None
        if len(key) <= LONGEST_KEY and key.isascii():
            found = self._standing.key_holder(api_keys.digest(key))
        if found is None:
            raise InvalidApiKey("there is no such key")
        principal = found.principal
        if principal.expires_at <= utc_now():
            raise InvalidApiKey("the key has expired", username=principal.username)
        if not found.may_call_from(address):
            raise AddressNotAllowed("the key may not be used from this address")
        return principal

    def note_use(self, principal: Principal, address: str) -> None:
        """Note when and from where a principal last acted."""
        self._watch.uses.note(principal, address)

    def is_active(self, principal: Principal) -> bool:
        """Whether a principal may still act; cheap, for streams to ask time and again."""
        return principal.expires_at > utc_now() and self._standing.allows(principal)

    def is_confined(self, principal: Principal) -> bool:
        """Whether a principal may do nothing before they set a password of their own."""
        return self._standing.must_change_password(principal)

    def has_stepped_up(self, principal: Principal) -> bool:
        """Whether a principal showed a moment ago who they are."""
        proved_at = principal.proved_at
        return proved_at is not None and utc_now() - proved_at < timedelta(seconds=STEP_UP_S)

    def step_up(self, principal: Principal, password: str | None, code: str | None) -> AccessToken:
        """Give a token of the same session that says who the caller is was just shown.

        By the second factor's code where one is in force, by the password otherwise.
        """
        user = self._database.read(users.get, principal.user_id)
        if user is None:
            raise InvalidToken
        if user.second_factor:
            if code is None or not self.second_factors.fits(user.id, code):
                raise _refused_field("code", "takes a code of the second factor")
        elif password is None or not self._passwords.verify(user.password_hash, password):
            raise _refused_field("password", "is not the present password")
        return AccessToken(
            access_token=self._tokens.issue(user_view(user), principal.session_id, proved=True),
            expires_in=self._tokens.life_s,
        )

    def me(self, principal: Principal) -> User:
        """Return the caller's account, with the scopes of the token or key."""
        user = self._standing.user(principal.user_id)
        if user is None:
            raise InvalidToken
        return user.model_copy(update={"scopes": sorted(principal.scopes)})

    def change_password(
        self,
        principal: Principal,
        current: str,
        new: str,
        address: str,
        user_agent: str,
    ) -> Tokens:
        """Change the caller's password, end all their sessions and open a new one."""
        user = self._database.read(users.get, principal.user_id)
        if user is None or not self._passwords.verify(user.password_hash, current):
            raise _refused_field("current_password", "is not the present password")
        if current == new:
            raise _refused_field("new_password", "must differ from the present password")
        hashed = self._passwords.hash(new)
        refresh_token, kept = self._new_refresh_token(address, user_agent)
        changed = self._watch.change(sessions.replace_password, user, hashed, kept)
        if changed is None:
            raise Conflict("the password was changed meanwhile")
        renewed, session_id = changed
        return self._grant(renewed, session_id, refresh_token, proved=not user.second_factor)

    def require_some_user(self) -> None:
        """Raise `SettingsError` in an empty database: service managers keep what is printed."""
        if not self._database.read(users.any_exists):
            raise SettingsError("BACKEND_ADMIN_PASSWORD: in production, the first start takes one")

    def ensure_first_admin(self, settings: Settings) -> str | None:
        """Create the admin if there is no user at all.

        Returns the password if it had to be made up: show it once, log it never.
        """
        if self._database.read(users.any_exists):
            return None
        given = settings.admin_password.get_secret_value() if settings.admin_password else None
        password = given or secrets.token_urlsafe(16)
        self.accounts.create(settings.admin_username, password, "admin")
        return None if given else password

    def close(self) -> None:
        """Let go of the threads."""
        self.mailed_codes.close()
        self._watch.close()
        self._passwords.close()

    def _check_second_factor(self, user: models.User, code: str | None) -> None:
        if not user.second_factor:
            return
        if code is None:
            raise SecondFactorRequired("send the second factor's code too", username=user.username)
        if not self.second_factors.fits(user.id, code):
            raise WrongCode(username=user.username)

    def _find(self, username: str) -> models.User | None:
        name = username.lower()
        return self._database.read(users.find, name) if USERNAME.fullmatch(name) else None

    def _new_refresh_token(self, address: str, user_agent: str) -> tuple[str, families.NewToken]:
        token, now = new_refresh_token(), utc_now()
        expires_at = now + self._refresh_life
        return token, families.NewToken(digest(token), now, expires_at, address, user_agent)

    def _grant(
        self, user: models.User, session_id: str, refresh_token: str, *, proved: bool
    ) -> Tokens:
        whom = user_view(user)
        if self._standing.user(user.id) != whom:  # another process made or changed it just now
            self._database.read(self._standing.load)
        return Tokens(
            access_token=self._tokens.issue(whom, session_id, proved=proved),
            expires_in=self._tokens.life_s,
            refresh_token=refresh_token,
            user=whom,
        )


def _hidden(username: str) -> str:
    """Hide a name that nobody bears: it may be a password typed into the wrong field."""
    return f"{username[:1]}***"


def _refused_field(field: str, message: str) -> ValidationFailed:
    return ValidationFailed(fields=[FieldError(field, message)])
