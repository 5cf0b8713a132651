"""TLS relay: encrypts for a stream's writer, whose thread writes plain bytes to a socket pair.

Two greenlets copy between the pair's other end and the client. Small buffers keep the
client's backpressure visible to the writer.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import Any

import gevent
import gevent.socket

_CHUNK_BYTES = 32 * 1024
_BUFFER_BYTES = 64 * 1024
_CLOSE_TIMEOUT_S = 1.0


def socket_pair() -> tuple[Any, socket.socket]:
    """Return a connected pair: a gevent socket for the hub, a blocking one for another thread."""
    ours, theirs = socket.socketpair()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
    return gevent.socket.socket(ours.family, ours.type, ours.proto, ours.detach()), theirs


def relay(outside: Any, inside: Any, stalled_s: float) -> None:  # noqa: ANN401 - gevent's sockets
    """Copy both ways until one end closes or the client accepts no bytes for `stalled_s`."""
    outside.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
    upstream = gevent.spawn(_copy, outside.recv, inside.sendall, inside.close)
    try:
        _copy(inside.recv, lambda data: _send(outside, data, stalled_s), upstream.kill)
        with contextlib.suppress(OSError, ValueError), gevent.Timeout(_CLOSE_TIMEOUT_S, False):
            outside.unwrap()  # close_notify: the data was not truncated
    finally:
        upstream.kill()
        outside.close()
        inside.close()


def _copy(
    receive: Callable[[int], bytes],
    send: Callable[[bytes], object],
    at_end: Callable[[], object],
) -> None:
    with contextlib.suppress(OSError, ValueError):  # ValueError: closed under a TLS socket
        while data := receive(_CHUNK_BYTES):
            send(data)
    at_end()


def _send(outside: Any, data: bytes, stalled_s: float) -> None:  # noqa: ANN401
    with gevent.Timeout(stalled_s, TimeoutError):  # an OSError
        outside.sendall(data)
