"""The identity service: logins, sessions, tokens, and the users behind them."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy.exc import IntegrityError

from backend.concurrency import Host
from backend.errors import (
    Conflict,
    FieldError,
    InvalidCredentials,
    InvalidToken,
    NotFound,
    TokenExpired,
    TokenReused,
    ValidationFailed,
)
from backend.identity.keys import signing_key
from backend.identity.passwords import Passwords
from backend.identity.principals import Principal
from backend.identity.roles import SCOPES
from backend.identity.standing import Standing
from backend.identity.tokens import AccessTokens, digest, new_refresh_token
from backend.schemas.auth import Role, Tokens, User
from backend.schemas.common import utc_now
from backend.settings import LONGEST_TOKEN_EXPIRY_S, Settings, SettingsError
from backend.store import Database, families, models, revocations, sessions, users

_USERNAME = re.compile(r"[a-z0-9_.@-]{1,64}")
# how long after its session was ended an access token could still be unexpired
_LONGEST_LIFE = timedelta(seconds=LONGEST_TOKEN_EXPIRY_S)


class Identity:
    """Who is calling, for one app. All methods may be called from any thread."""

    def __init__(self, settings: Settings, database: Database, host: Host) -> None:
        self._refresh_life = timedelta(seconds=settings.refresh_expiry)
        self._database = database
        self._passwords = Passwords(host)
        self._tokens = AccessTokens(signing_key(settings), settings.token_expiry)
        self._standing = Standing()
        self._recall()

    def login(self, username: str, password: str, address: str, user_agent: str) -> Tokens:
        """Open a session; raises `InvalidCredentials`, after the same work whatever was wrong."""
        user = self._find(username)
        fits = self._passwords.verify(user.password_hash if user else None, password)
        if user is None or not fits:
            raise InvalidCredentials(username=user.username if user else _hidden(username))
        rehashed = None
        if self._passwords.is_outdated(user.password_hash):
            rehashed = self._passwords.hash(password)
        refresh_token, kept = self._new_refresh_token(address, user_agent)
        session_id = self._database.write(sessions.start, user, rehashed, kept)
        if session_id is None:
            raise InvalidCredentials(username=user.username)
        return self._grant(user, session_id, refresh_token)

    def refresh(self, refresh_token: str, address: str, user_agent: str) -> Tokens:
        """Trade a refresh token in for new tokens.

        Raises `TokenReused` for one that was traded in before, and ends its
        session; `TokenExpired` or `InvalidToken` for one that is of no use.
        """
        successor, kept = self._new_refresh_token(address, user_agent)
        found = self._database.write(families.rotate, digest(refresh_token), kept)
        username = found.user.username if found.user else None
        if found.outcome == "reused" and found.family_id:
            self._end_sessions([found.family_id], kept.created_at)
            raise TokenReused("the session is over; log in again", username=username)
        if found.outcome == "expired":
            raise TokenExpired(username=username)
        if found.outcome == "refused" or found.user is None or found.family_id is None:
            raise InvalidToken(username=username)
        return self._grant(found.user, found.family_id, successor)

    def logout(
        self, principal: Principal, refresh_token: str | None
    ) -> Literal["token", "session"]:
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
        ended = [(principal.token_id, principal.expires_at)]
        if session_id is not None:
            ended.append((session_id, now + _LONGEST_LIFE))
        self._standing.end(ended)
        return "token" if session_id is None else "session"

    def principal(self, access_token: str) -> Principal:
        """Return who bears an access token; raises `TokenExpired` or `InvalidToken`."""
        principal = self._tokens.read(access_token)
        if not self._standing.allows(principal):
            raise InvalidToken("the token was revoked", username=principal.username)
        return principal

    def is_active(self, principal: Principal) -> bool:
        """Whether a principal may still act; cheap, for streams to ask time and again."""
        return principal.expires_at > utc_now() and self._standing.allows(principal)

    def me(self, principal: Principal) -> User:
        """Return the caller's account."""
        user = self._standing.user(principal.user_id)
        if user is None:
            raise InvalidToken
        return user

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
        changed = self._database.write(sessions.replace_password, user, hashed, kept)
        if changed is None:
            raise Conflict("the password was changed meanwhile")
        session_id, ended = changed
        self._end_sessions(ended, kept.created_at)
        return self._grant(user, session_id, refresh_token)

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
        self.create_user(settings.admin_username, password, "admin")
        return None if given else password

    def create_user(self, username: str, password: str, role: Role) -> User:
        """Create a user; raises `Conflict` when the name is taken."""
        name = username.lower()
        if not _USERNAME.fullmatch(name):
            raise _refused_field("username", "1 to 64 letters, digits or any of _ . @ -")
        hashed = self._passwords.hash(password)
        try:
            user = _shown(self._database.write(users.add, name, hashed, role, utc_now()))
        except IntegrityError:
            raise Conflict("the username is taken") from None
        self._standing.admit([user])
        return user

    def disable_user(self, user_id: str) -> None:
        """Keep a user from logging in and end all their sessions."""
        now = utc_now()
        ended = self._database.write(sessions.disable_user, user_id, now)
        if ended is None:
            raise NotFound("no such user")
        self._standing.expel(user_id)
        self._end_sessions(ended, now)

    def delete_user(self, user_id: str) -> None:
        """Delete a user; their tokens are of no use from then on."""
        if not self._database.write(users.remove, user_id):
            raise NotFound("no such user")
        self._standing.expel(user_id)

    def close(self) -> None:
        """Let go of the threads."""
        self._passwords.close()

    def _recall(self) -> None:
        """Take over from the store who may act and what was ended before this start."""
        now = utc_now()
        self._database.write(sessions.prune, now - _LONGEST_LIFE)
        self._standing.admit(_shown(user) for user in self._database.read(users.all_enabled))
        self._standing.end(self._database.read(revocations.alive, now))
        revoked = self._database.read(families.revoked_since, now - _LONGEST_LIFE)
        self._standing.end((session_id, at + _LONGEST_LIFE) for session_id, at in revoked)

    def _find(self, username: str) -> models.User | None:
        name = username.lower()
        return self._database.read(users.find, name) if _USERNAME.fullmatch(name) else None

    def _new_refresh_token(self, address: str, user_agent: str) -> tuple[str, families.NewToken]:
        token, now = new_refresh_token(), utc_now()
        expires_at = now + self._refresh_life
        return token, families.NewToken(digest(token), now, expires_at, address, user_agent)

    def _grant(self, user: models.User, session_id: str, refresh_token: str) -> Tokens:
        shown = _shown(user)
        return Tokens(
            access_token=self._tokens.issue(shown, session_id),
            expires_in=self._tokens.life_s,
            refresh_token=refresh_token,
            user=shown,
        )

    def _end_sessions(self, session_ids: Iterable[str], at: datetime) -> None:
        self._standing.end((session_id, at + _LONGEST_LIFE) for session_id in session_ids)


def _hidden(username: str) -> str:
    """Hide a name that nobody bears: it may be a password typed into the wrong field."""
    return f"{username[:1]}***"


def _shown(user: models.User) -> User:
    return User(
        id=user.id,
        username=user.username,
        role=user.role,
        scopes=sorted(SCOPES[user.role]),
        created_at=user.created_at,
    )


def _refused_field(field: str, message: str) -> ValidationFailed:
    return ValidationFailed(fields=[FieldError(field, message)])
