"""Masking of secrets: texts that look like credentials, and values under a secret's name."""

from __future__ import annotations

import functools
import re

MASK = "********"
_SECRET_WORDS = frozenset(
    {"code", "codes", "cookie", "key", "otp", "pin", "seed", "signature", "ticket", "totp"}
)
_SECRET_PARTS = (
    "apikey",
    "authorization",
    "passphrase",
    "password",
    "private",
    "secret",
    "token",
    "webhook",
)
_SECRET_HINTS = (
    "auth",
    "cookie",
    "pass",
    "secret",
    "key",
    "token",
    "ticket",
    "signature",
    "bearer",
    "eyj",
    "://",
    "enc:v1:",
    "obk_",
)
_SECRET_TEXT = re.compile(
    r"""(?ix)
    (?: \b(?:authorization|cookie|password|passphrase|secret(?:_?key)?|api[_-]?(?:key|secret)
           |x-api-key|(?:access_|refresh_)?token|ticket|signature) ["']? \s* [:=] \s*
        (?:bearer\s+)?
      | \bbearer\s+
    ) (?P<named> "[^"]*"? | '[^']*'? | [^\s"',;&}\])]+ )
    | (?P<jwt> \beyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]* )
    | \bobk_\w{8}_ (?P<api_key> [\w-]{20,} )
    | enc:v1: (?P<sealed> [\w=-]+ )
    | (?<=://) [^/\s:@]* : (?P<login> [^@\s/]+ ) (?=@)
    """
)


_MAX_DEPTH = 20
_MIN_SECRET_LENGTH = 8
_registered_secrets: tuple[str, ...] = ()


def register_secrets(*secrets: str | None) -> None:
    """Register texts that are masked in every output from now on, process-wide like the log.

    Needed for exchange keys, which no pattern matches; short texts are ignored.
    """
    global _registered_secrets
    found = {secret for secret in secrets if secret and len(secret) >= _MIN_SECRET_LENGTH}
    _registered_secrets = tuple(sorted(found.union(_registered_secrets), key=len, reverse=True))


def mask_text(text: str) -> str:
    """Return the text with everything masked that is, or looks like, a credential."""
    for secret in _registered_secrets:
        if secret in text:
            text = text.replace(secret, MASK)
    # the expression is slow, and nearly no line contains a match
    hinted = any(map(text.lower().__contains__, _SECRET_HINTS))
    return _SECRET_TEXT.sub(_mask_match, text) if hinted else text


def mask_value(name: str, value: object, depth: int = _MAX_DEPTH) -> object:
    """Return a copy of JSON values in which texts and values under a secret's name are masked.

    Values nested deeper than our own data are left out.
    """
    if depth == 0:
        return "..."
    if is_secret_name(name) and not (value is None or isinstance(value, bool) or value == ""):
        return MASK
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, dict):
        return {
            mask_text(str(key)): mask_value(str(key), item, depth - 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [mask_value(name, item, depth - 1) for item in value]
    return value


@functools.lru_cache(maxsize=512)
def is_secret_name(name: str) -> bool:
    """Return whether a field of this name holds a secret."""
    lower = name.lower()
    if any(part in lower for part in _SECRET_PARTS):
        return True
    return not _SECRET_WORDS.isdisjoint(re.split(r"[^a-z]+", lower))


def _mask_match(found: re.Match[str]) -> str:
    return found[0][: found.start(found.lastgroup or 0) - found.start()] + MASK
