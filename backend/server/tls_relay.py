"""Carries a TLS connection that was handed over: its new owner's thread writes plain bytes.

The owner gets one end of a pair of sockets; two greenlets copy between the other end
and the client, who is as slow for the owner as in life, since little fits in between.
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
_FAREWELL_S = 1.0


def socket_pair() -> tuple[Any, socket.socket]:
    """Return our end, which waits on the hub, and a plain one for another thread."""
    ours, theirs = socket.socketpair()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
    return gevent.socket.socket(ours.family, ours.type, ours.proto, ours.detach()), theirs


def relay(outside: Any, inside: Any, stalled_s: float) -> None:  # noqa: ANN401 - gevent's sockets
    """Copy both ways until one end closes, or the client takes nothing for `stalled_s`."""
    outside.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
    hearing = gevent.spawn(_copy, outside.recv, inside.sendall, inside.close)
    try:
        _copy(inside.recv, lambda data: _send(outside, data, stalled_s), hearing.kill)
        with contextlib.suppress(OSError, ValueError), gevent.Timeout(_FAREWELL_S, False):
            outside.unwrap()  # says that nothing was cut off
    finally:
        hearing.kill()
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
