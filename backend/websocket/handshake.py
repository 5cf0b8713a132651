"""WebSocket opening handshake (RFC 6455, 4.2): validation, origin check, accept key."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from werkzeug.datastructures import Headers
from wsproto.utilities import generate_accept_token

from backend.errors import Forbidden, MalformedRequest, UpgradeRequired

_KEY_BYTES = 16


def accept_key(headers: Headers) -> str:
    """Return the value of Sec-WebSocket-Accept for a handshake.

    Raises `UpgradeRequired` for a request that is no handshake, `MalformedRequest` for an
    invalid key.
    """
    if headers.get("Upgrade", "").lower() != "websocket":
        raise UpgradeRequired("open this address as a WebSocket")
    connection = [part.strip().lower() for part in headers.get("Connection", "").split(",")]
    if "upgrade" not in connection or headers.get("Sec-WebSocket-Version") != "13":
        raise UpgradeRequired("a WebSocket handshake of version 13 is understood here")
    key = headers.get("Sec-WebSocket-Key", "")
    if not _is_key(key):
        raise MalformedRequest("Sec-WebSocket-Key: 16 random bytes in base64")
    return generate_accept_token(key.encode()).decode()


def check_origin(headers: Headers, allowed: Sequence[str]) -> None:
    """Raise `Forbidden` for a web page whose origin may not use the API.

    Browsers open WebSockets to any host and leave the check of the origin to the server. Pages of
    this server's own address are allowed; a client without Origin is no browser.
    """
    origin = headers.get("Origin")
    if origin is None or origin in allowed or "*" in allowed:
        return
    scheme, _, host = origin.lower().partition("://")
    if scheme not in ("http", "https") or host != headers.get("Host", "").lower():
        raise Forbidden("pages of this origin may not open a WebSocket here")


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == _KEY_BYTES
    except ValueError:
        return False
