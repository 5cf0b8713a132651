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
_NAMED = re.compile(
    r"""(?ix)
    (?: \b(?:authorization|cookie|password|passphrase|secret(?:_?key)?|api[_-]?(?:key|secret)
           |x-api-key|(?:access_|refresh_)?token|ticket|signature) ["']? \s* [:=] \s*
        (?:bearer\s+)?
      | \bbearer\s+
    ) (?P<secret> "[^"]*"? | '[^']*'? | [^\s"',;&}\])]+ )
    """
)
# Tried only where a run of such characters begins, and not at each place inside: linear.
_JWT = re.compile(r"(?<![\w-])(?=(?:[\w-]*-)?eyJ[\w-]{5})[\w-]+\.[\w-]{5,}\.[\w-]*", re.IGNORECASE)
_JWT_START = re.compile(r"\beyJ[\w-]{5}", re.IGNORECASE)
_API_KEY = re.compile(r"\bobk_\w{8}_(?P<secret>[\w-]{20,})", re.IGNORECASE)
_SEALED = re.compile(r"enc:v1:(?P<secret>[\w=-]+)", re.IGNORECASE)
_URL_LOGIN = re.compile(r"(?<=://)[^/\s:@]*:(?P<secret>[^@\s/]+)(?=@)")


MAX_TEXT = 64 * 1024
_MAX_DEPTH = 20
_LONGEST_NAME = 200
# Of a text that is cut, so much more is looked at: a secret that the cut splits shows itself.
_BEYOND_CUT = 512
_MIN_SECRET_LENGTH = 8
_registered_secrets: tuple[str, ...] = ()


def register_secrets(*secrets: str | None) -> None:
    """Register texts that are masked in every output from now on, process-wide like the log.

    Needed for exchange keys, which no pattern matches; short texts are ignored.
    """
    global _registered_secrets
    found = {secret for secret in secrets if secret and len(secret) >= _MIN_SECRET_LENGTH}
    _registered_secrets = tuple(sorted(found.union(_registered_secrets), key=len, reverse=True))


def mask_text(text: str, limit: int = MAX_TEXT) -> str:
    """Return the text with whatever is, or looks like, a credential masked, cut at `limit`.

    It is cut before anything looks at it: what a client sent costs no more the longer it is.
    """
    is_cut = len(text) > limit + _BEYOND_CUT
    if is_cut:
        text = text[: limit + _BEYOND_CUT]
    for secret in _registered_secrets:
        if secret in text:
            text = text.replace(secret, MASK)
    lower = text.lower()
    for hints, expression, replace in _EXPRESSIONS:
        # expressions are slow, and nearly no line contains a match
        if any(map(lower.__contains__, hints)):
            text = expression.sub(replace, text)
    return text[:limit] + "…" if is_cut or len(text) > limit else text


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
    """Return whether a field of this name holds a secret; one too long for a name may."""
    if len(name) > _LONGEST_NAME:
        return True
    lower = name.lower()
    if any(part in lower for part in _SECRET_PARTS):
        return True
    return not _SECRET_WORDS.isdisjoint(re.split(r"[^a-z]+", lower))


def _mask_secret(found: re.Match[str]) -> str:
    return found[0][: found.start("secret") - found.start()] + MASK


def _mask_jwt(found: re.Match[str]) -> str:
    start = _JWT_START.search(found[0].partition(".")[0])
    return found[0] if start is None else found[0][: start.start()] + MASK


_EXPRESSIONS = (
    (
        ("auth", "cookie", "pass", "secret", "key", "token", "ticket", "signature", "bearer"),
        _NAMED,
        _mask_secret,
    ),
    (("eyj",), _JWT, _mask_jwt),
    (("obk_",), _API_KEY, _mask_secret),
    (("enc:v1:",), _SEALED, _mask_secret),
    (("://",), _URL_LOGIN, _mask_secret),
)
