"""WebSockets: the streams' events and a second door to the API, on one connection."""

from backend.sockets.calls import Door
from backend.sockets.handshake import accept_key, check_origin
from backend.sockets.session import Session
from backend.sockets.sockets import current_sockets, install_sockets

__all__ = [
    "Door",
    "Session",
    "accept_key",
    "check_origin",
    "current_sockets",
    "install_sockets",
]
