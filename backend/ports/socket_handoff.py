"""How a stream leaves the server: its socket goes to whoever writes it from then on."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

SocketTaker = Callable[[socket.socket], None]

_KEY = "backend.socket_taker"


def offer_socket(environ: WSGIEnvironment) -> None:
    """Say that the server of this request can part with its socket; the server calls this."""
    environ[_KEY] = None


def hand_over_socket(environ: WSGIEnvironment, taker: SocketTaker) -> bool:
    """Have `taker` called with the socket once the head of the answer has been sent.

    The answer's own body must be empty; what follows on the wire is the
    taker's, who also closes the plain, blocking socket that it is given. False
    under a server that cannot part with sockets, and for HEAD: then the view
    answers with an iterable body instead.
    """
    if _KEY not in environ:
        return False
    environ[_KEY] = taker
    return True


def socket_taker(environ: WSGIEnvironment) -> SocketTaker | None:
    """Return who wants the socket of this request; the server calls this."""
    taker: SocketTaker | None = environ.get(_KEY)
    return taker
