"""Before a connection becomes a WebSocket: is it one, may its page open it, what to answer."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from werkzeug.datastructures import Headers
from wsproto.utilities import generate_accept_token

from backend.errors import Forbidden, MalformedRequest, UpgradeRequired

_KEY_BYTES = 16


def accept_key(headers: Headers) -> str:
    """Return what proves to the client that its handshake was understood.

    Raises `UpgradeRequired` for what is no handshake, `MalformedRequest` for a broken one.
    """
    if headers.get("Upgrade", "").lower() != "websocket":
        raise UpgradeRequired("open this address as a WebSocket")
    wanted = [part.strip().lower() for part in headers.get("Connection", "").split(",")]
    if "upgrade" not in wanted or headers.get("Sec-WebSocket-Version") != "13":
        raise UpgradeRequired("a WebSocket handshake of version 13 is understood here")
    key = headers.get("Sec-WebSocket-Key", "")
    if not _is_key(key):
        raise MalformedRequest("Sec-WebSocket-Key: 16 random bytes in base64")
    return generate_accept_token(key.encode()).decode()


def check_origin(headers: Headers, allowed: Sequence[str]) -> None:
    """Raise `Forbidden` for a web page whose origin may not use the API.

    Browsers open WebSockets to any host and leave it to the server to look. A page
    of this server's own address may; what sends no Origin is no browser.
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
