"""How a request waits: cooperatively on the gevent hub, or by blocking its own thread.

`Host` is what the rest of the program sees of the server that it runs under.
gevent is never monkey patched, so every wait for another thread goes through here.
"""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Signal(Protocol):
    """An event that any thread may set and that requests wait for."""

    def set(self) -> None:
        """Wake all who wait; thread-safe."""

    def clear(self) -> None:
        """Make later waits block again."""

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until set; False when the time is up first."""


class Host(Protocol):
    """The server's way to wait."""

    def wait(self, future: concurrent.futures.Future[T], timeout_s: float) -> T:
        """Return the future's result, raise its exception, or raise TimeoutError."""

    def call_blocking(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run blocking work (hashing, SQL, files, SMTP) without holding the hub."""

    def new_signal(self) -> Signal:
        """Create a signal for waits on this host."""


class ThreadHost:
    """Host for threaded servers and for tests: each request has a thread that may block."""

    def wait(self, future: concurrent.futures.Future[T], timeout_s: float) -> T:
        """Block this thread until the future is done."""
        try:
            return future.result(timeout_s)
        except concurrent.futures.TimeoutError:  # an alias of TimeoutError from 3.11 on only
            raise TimeoutError from None

    def call_blocking(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call it right here."""
        return function(*args, **kwargs)

    def new_signal(self) -> threading.Event:
        """Return a plain threading event."""
        return threading.Event()
