"""WebSockets: the streams' events, and API requests about orders, on one connection.

Order of the parts: handshake (is the request an upgrade, is its origin allowed),
limits, session (one connection, from handshake to close), reader (incoming messages),
messages (their JSON), order_actions and api_caller (actions as in-process API
requests). The streams' hub writes outgoing bytes.
"""

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
