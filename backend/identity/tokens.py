"""Access tokens (signed JWTs, short-lived, verified without a database) and refresh tokens."""

from __future__ import annotations

import functools
import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

import jwt
from pydantic import BaseModel, ConfigDict, ValidationError

from backend.errors import InvalidToken, TokenExpired
from backend.identity.principal import Principal
from backend.identity.roles import SCOPES
from backend.identity.signing_keys import SigningKey
from backend.schemas.auth import Role, User
from backend.schemas.common import utc_now
from backend.store.models import new_id

ISSUER = "octobot-backend"
AUDIENCE = "octobot-backend-api"
ALGORITHM = "HS256"
MAX_TOKEN_LENGTH = 2048
CACHED_TOKENS = 1024
CLOCK_DRIFT = timedelta(minutes=1)

_CLAIMS = ["iss", "aud", "exp", "iat", "jti", "sub", "sid", "role", "scope"]


class _Claims(BaseModel):
    """The claims of an access token, beyond those that PyJWT checks itself."""

    model_config = ConfigDict(strict=True)

    iat: int
    exp: int
    jti: str
    sub: str
    sid: str
    name: str
    role: Role
    scope: str
    auth_time: int | None = None


class AccessTokens:
    """Issues and verifies access tokens."""

    def __init__(self, keys: Sequence[SigningKey], lifetime_s: int) -> None:
        self.lifetime_s = lifetime_s
        self._key = keys[0]
        self._secrets = {key.id: key.secret for key in keys}
        # signature and claims of a token never change; its expiry is checked each time
        self._cached_decode = functools.lru_cache(CACHED_TOKENS)(self._decode)

    def issue(self, user: User, session_id: str, *, fresh: bool) -> str:
        """Sign a token for a user's session; `fresh` when they have just authenticated."""
        issued_at = int(utc_now().timestamp())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "iat": issued_at,
            "exp": issued_at + self.lifetime_s,
            "jti": new_id(),
            "sub": user.id,
            "sid": session_id,
            "name": user.username,
            "role": user.role,
            "scope": " ".join(user.scopes),
        }
        if fresh:
            claims["auth_time"] = issued_at
        return jwt.encode(claims, self._key.secret, ALGORITHM, headers={"kid": self._key.id})

    def verify(self, token: str) -> Principal:
        """Return the bearer of a token; revocation is not checked.

        Raises `TokenExpired` or `InvalidToken`. A token of a clock that ran ahead has expired once
        that is set right: it would be valid for too long.
        """
        if len(token) > MAX_TOKEN_LENGTH or not token.isascii():
            raise InvalidToken
        principal, issued_at = self._cached_decode(token)
        now = utc_now()
        if principal.expires_at <= now or issued_at > now + CLOCK_DRIFT:
            raise TokenExpired
        return principal

    def _decode(self, token: str) -> tuple[Principal, datetime]:
        try:
            key_id = jwt.get_unverified_header(token).get("kid", "")
            decoded = jwt.decode(
                token,
                self._secrets[key_id],
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={"require": _CLAIMS, "verify_iat": False},
            )
            claims = _Claims.model_validate(decoded)
        except jwt.ExpiredSignatureError:
            raise TokenExpired from None
        except (jwt.PyJWTError, ValidationError, RecursionError, KeyError, TypeError):
            raise InvalidToken from None
        return _principal(claims), datetime.fromtimestamp(claims.iat, timezone.utc)


def _principal(claims: _Claims) -> Principal:
    return Principal(
        user_id=claims.sub,
        username=claims.name,
        role=claims.role,
        # a role that has lost scopes since limits the token too
        scopes=SCOPES[claims.role].intersection(claims.scope.split()),
        token_id=claims.jti,
        session_id=claims.sid,
        expires_at=datetime.fromtimestamp(claims.exp, timezone.utc),
        authenticated_at=None
        if claims.auth_time is None
        else datetime.fromtimestamp(claims.auth_time, timezone.utc),
    )


def new_refresh_token() -> str:
    """Return a random refresh token."""
    return secrets.token_urlsafe(32)


def hash_refresh_token(refresh_token: str) -> str:
    """Return the SHA-256 under which a refresh token is stored."""
    return hashlib.sha256(refresh_token.encode("utf-8", "surrogatepass")).hexdigest()
