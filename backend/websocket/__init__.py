"""WebSockets: the streams' events and a second door to the API, on one connection."""

from backend.websocket.api_caller import ApiCaller
from backend.websocket.handshake import accept_key, check_origin
from backend.websocket.limits import ConnectionLimits
from backend.websocket.session import Session

__all__ = [
    "ApiCaller",
    "ConnectionLimits",
    "Session",
    "accept_key",
    "check_origin",
]
