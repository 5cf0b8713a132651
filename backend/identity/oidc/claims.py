"""Checks of an ID token's claims (OpenID Connect Core 1.0, section 3.1.3.7)."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Any, NamedTuple

from backend.errors import InvalidIdToken

LEEWAY_S = 60
MAX_AGE_S = 3600
_MAX_SUBJECT = 255
_MAX_EMAIL = 254


class Claims(NamedTuple):
    """Verified identity: who, with which address, and when they authenticated at the provider."""

    issuer: str
    subject: str
    email: str | None
    email_verified: bool
    authenticated_at: datetime | None


def check_claims(claims: dict[str, Any], issuer: str, audiences: frozenset[str]) -> Claims:
    """Return the claims of a token whose signature is verified; raises `InvalidIdToken`.

    A token that names an audience beside those that are trusted is refused.
    """
    if claims.get("iss") != issuer:
        raise InvalidIdToken("the ID token is of another issuer")
    _check_audience(claims, audiences)
    _check_times(claims)
    subject, email = _text(claims, "sub", _MAX_SUBJECT), _text(claims, "email", _MAX_EMAIL)
    if subject is None:
        raise InvalidIdToken("the ID token has no subject")
    at = _time(claims, "auth_time")
    return Claims(
        issuer=issuer,
        subject=subject,
        email=None if email is None else email.lower(),
        # some providers send the text "true"
        email_verified=claims.get("email_verified") in (True, "true"),
        authenticated_at=None if at is None else datetime.fromtimestamp(at, timezone.utc),
    )


def _check_audience(claims: dict[str, Any], audiences: frozenset[str]) -> None:
    audience, party = claims.get("aud"), claims.get("azp")
    named = audience if isinstance(audience, list) else [audience]
    if not named or not all(isinstance(one, str) and one in audiences for one in named):
        raise InvalidIdToken("the ID token is for another audience")
    if party is None and len(named) == 1:
        return
    if not isinstance(party, str) or party not in audiences:
        raise InvalidIdToken("the ID token was issued to another party")


def _check_times(claims: dict[str, Any]) -> None:
    now = time.time()
    expires, issued = _time(claims, "exp"), _time(claims, "iat")
    if expires is None or issued is None or expires <= now - LEEWAY_S:
        raise InvalidIdToken("the ID token has expired")
    begins = _time(claims, "nbf") or 0
    if not now - MAX_AGE_S <= issued <= now + LEEWAY_S or begins > now + LEEWAY_S:
        raise InvalidIdToken("the ID token is too old, or of the future")


def _text(claims: dict[str, Any], name: str, longest: int) -> str | None:
    """Return a claim that is a short text of printable ASCII characters."""
    value = claims.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        return None
    return value if value.isascii() and value.isprintable() else None


def _time(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < 2**33 else None
