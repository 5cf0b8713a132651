"""Host: waits of a request, cooperative on the gevent hub or blocking in its own thread.

`Host` is the only view that the rest of the program has of its server. gevent is never
monkey patched, so every wait for another thread goes through here.
"""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

# Each greenlet and each thread has its own, as it has its own request.
_caller: ContextVar[str] = ContextVar("caller", default="")
_is_urgent: ContextVar[bool] = ContextVar("is_urgent", default=False)


def set_current_caller(user_id: str, *, urgent: bool = False) -> None:
    """Set the user on whose behalf this greenlet or thread runs from now on.

    Urgent work passes the bound of the bot's queue.
    """
    _caller.set(user_id)
    _is_urgent.set(urgent)


def current_caller() -> str:
    """Return the id of the user on whose behalf this greenlet or thread runs; empty if none."""
    return _caller.get()


def is_urgent() -> bool:
    """Return whether this greenlet or thread works on something urgent."""
    return _is_urgent.get()


class Signal(Protocol):
    """An event that any thread may set and that requests wait for."""

    def set(self) -> None:
        """Wake all waiting requests; thread-safe."""

    def clear(self) -> None:
        """Make later waits block again."""

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until set; False on timeout."""


class Host(Protocol):
    """Waits that suit the server's threading model."""

    def wait(self, future: concurrent.futures.Future[T], timeout_s: float) -> T:
        """Return the future's result, raise its exception, or raise TimeoutError."""

    def call_blocking(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run blocking work (hashing, SQL, files, SMTP) without blocking the hub."""

    def new_signal(self) -> Signal:
        """Create a signal for waits on this host."""

    def yield_for(self, seconds: float) -> None:
        """Yield to other requests for `seconds`; return at once where that blocks a thread."""


class ThreadHost:
    """Host for threaded servers and for tests: each request has a thread that may block."""

    def wait(self, future: concurrent.futures.Future[T], timeout_s: float) -> T:
        """Block this thread until the future is done."""
        try:
            return future.result(timeout_s)
        except concurrent.futures.TimeoutError:  # an alias of TimeoutError from 3.11 on only
            raise TimeoutError from None

    def call_blocking(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the function directly."""
        return function(*args, **kwargs)

    def new_signal(self) -> threading.Event:
        """Return a plain threading event."""
        return threading.Event()

    def yield_for(self, seconds: float) -> None:
        """Return at once: the thread is needed for other requests."""
