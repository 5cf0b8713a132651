"""Sends on non-blocking sockets without letting go of the interpreter's lock in between.

`socket.send` gives the lock away at each call and gets it back when whoever took
it lets go. While requests keep the server busy, a wave to 500 clients waits 500
times: 300 ms instead of 6, measured with 64 connections that ask without pause.
Other threads still have their turn after the interpreter's switch interval.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket

_FLAGS = getattr(socket, "MSG_NOSIGNAL", 0) | socket.MSG_DONTWAIT
_NO_ROOM = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR)

_send = ctypes.PyDLL(None, use_errno=True).send  # a PyDLL's functions hold the lock
_send.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int)
_send.restype = ctypes.c_ssize_t


def send(sock: socket.socket, data: bytes) -> int:
    """Return how much the kernel took, 0 when there is no room; raises OSError as `send` does."""
    sent: int = _send(sock.fileno(), data, len(data), _FLAGS)
    if sent >= 0:
        return sent
    number = ctypes.get_errno()
    if number in _NO_ROOM:
        return 0
    raise OSError(number, os.strerror(number))
