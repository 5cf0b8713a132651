"""Handoff of a connection's socket from the HTTP server to a stream, through the WSGI environ."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

SocketReceiver = Callable[[socket.socket], None]

_KEY = "backend.socket_receiver"


def enable_socket_handoff(environ: WSGIEnvironment) -> None:
    """Mark a request as one whose socket can be handed over; called by the server."""
    environ[_KEY] = None


def hand_over_socket(environ: WSGIEnvironment, receiver: SocketReceiver) -> bool:
    """Register `receiver` to be called with the socket once the response head has been sent.

    The response's own body must be empty; the receiver writes what follows on the wire, and closes
    the plain, blocking socket that it is given: the server counts the connection until then. A
    stream that the server has no room for is refused, and its receiver gets a socket that is
    closed already. Return False under a server without socket handoff, and for HEAD: the view
    then returns an iterable body instead.
    """
    if _KEY not in environ:
        return False
    environ[_KEY] = receiver
    return True


def socket_receiver(environ: WSGIEnvironment) -> SocketReceiver | None:
    """Return the receiver registered for this request's socket; called by the server."""
    receiver: SocketReceiver | None = environ.get(_KEY)
    return receiver


def refuse_handoff(receiver: SocketReceiver) -> None:
    """Give a receiver a closed socket, so that it frees what it has reserved."""
    closed = socket.socket()
    closed.close()
    receiver(closed)
