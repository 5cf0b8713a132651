"""Device tokens: they show that a user has logged in on a device before.

Neither a session nor a part of the password: with one, logins are counted apart from
strangers' guesses (OWASP, "Slow Down Online Guessing Attacks with Device Cookies").
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence

from backend.identity.signing_keys import SigningKey

MAX_DEVICE_TOKEN_LENGTH = 128
_PURPOSE = b"device token"
_ID_BYTES = 16


class DeviceTokens:
    """Issues and verifies `<device id>.<signature>`; the signature covers the username too."""

    def __init__(self, keys: Sequence[SigningKey]) -> None:
        # the first one signs
        self._keys = [
            hmac.new(key.secret.encode(), _PURPOSE, hashlib.sha256).digest() for key in keys
        ]

    def issue(self, username: str) -> str:
        """Return a token of a new device."""
        device_id = secrets.token_hex(_ID_BYTES)
        return f"{device_id}.{_signature(self._keys[0], username, device_id)}"

    def find_device(self, username: str, token: str) -> str | None:
        """Return the device id of a user's token; None for any other text."""
        device_id, _, signature = token.partition(".")
        if len(token) > MAX_DEVICE_TOKEN_LENGTH or not token.isascii():
            return None
        expected = [_signature(key, username, device_id) for key in self._keys]
        is_genuine = any(hmac.compare_digest(signature, each) for each in expected)
        return device_id if is_genuine else None


def _signature(key: bytes, username: str, device_id: str) -> str:
    signed = f"{device_id} {username.lower()}".encode("utf-8", "surrogatepass")
    return hmac.new(key, signed, hashlib.sha256).hexdigest()
