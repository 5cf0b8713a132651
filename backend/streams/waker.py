"""Waker: socket pair (self-pipe) by which any thread wakes a thread that waits in a selector."""

from __future__ import annotations

import selectors
import socket
from contextlib import suppress


class Waker:
    """Registers itself with a selector, under `data` None; writes at most one byte at a time."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._woken = False
        selector.register(self._reader, selectors.EVENT_READ)

    def wake(self) -> None:
        """Make the selector return; further calls before `reset` do nothing."""
        if not self._woken:
            self._woken = True
            with suppress(OSError):  # closed
                self._writer.send(b".")

    def reset(self) -> None:
        """Consume the byte; called by the woken thread before it looks for work."""
        self._reader.recv(16)
        self._woken = False

    def close(self) -> None:
        """Close both sockets."""
        self._reader.close()
        self._writer.close()
