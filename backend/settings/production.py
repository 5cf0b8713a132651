"""Checks that settings are strong enough for a server reachable from the internet."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from pydantic import SecretStr

from backend.settings.model import Settings
from backend.settings.password_rules import MIN_LENGTHS

_MIN_DISTINCT_CHARACTERS = {"password": 6, "key": 8}
# placeholders that are often left in place of a secret
_PLACEHOLDERS = re.compile(
    r"admin|octobot|password|passwort|secret|change|example|qwerty|letmein|123456"
)


def find_weaknesses(settings: Settings) -> Iterator[str]:
    """Yield one line for each setting too weak for production: `VARIABLE: requirement`."""
    if "*" in settings.cors_origins:
        yield "BACKEND_CORS_ORIGINS: in production, origins and no *"
    if not settings.rate_limit_enabled:
        yield "BACKEND_RATE_LIMIT_ENABLED: in production, true"
    weakness = _password_weakness(settings.admin_password, settings.admin_username)
    if weakness is not None:
        yield f"BACKEND_ADMIN_PASSWORD: in production, {weakness}"
    if _is_guessable(settings.secret_key, "key"):
        yield ("BACKEND_SECRET_KEY: in production, a random one; left out, one is made and kept")
    for name in ("previous_secret_keys", "encryption_key", "metrics_token"):
        if any(_is_guessable(key, "key") for key in _split_keys(getattr(settings, name))):
            yield f"BACKEND_{name.upper()}: in production, random ones"
    if not (settings.tls_cert or settings.allow_plain_http or _is_loopback(settings.host)):
        yield (
            "BACKEND_HOST: in production, others reach it over TLS only: set BACKEND_TLS_CERT and "
            "BACKEND_TLS_KEY, or BACKEND_ALLOW_PLAIN_HTTP=true if the way to a proxy is private"
        )


def _password_weakness(password: SecretStr | None, username: str) -> str | None:
    if password is None:
        return None
    text = password.get_secret_value()
    if len(text) < MIN_LENGTHS["admin"]:
        return f"at least {MIN_LENGTHS['admin']} characters"
    if username.lower() in text.lower():
        return "one without the name of the admin in it"
    if _is_guessable(password, "password"):
        return "one that is not made of words that everybody tries"
    return None


def _is_guessable(secret: SecretStr | None, kind: str) -> bool:
    """Return whether a secret without the commonest placeholders has few characters left."""
    if secret is None:
        return False
    rest = _PLACEHOLDERS.sub("", secret.get_secret_value().lower())
    return len(set(rest)) < _MIN_DISTINCT_CHARACTERS[kind]


def _split_keys(keys: SecretStr | None) -> list[SecretStr]:
    """Return the keys of a list: one weak key is enough to forge or to decrypt with."""
    if keys is None:
        return []
    return [type(keys)(part.strip()) for part in keys.get_secret_value().split(",")]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
