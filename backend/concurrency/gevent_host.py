"""Host on the gevent hub: requests wait for other threads without blocking the hub."""

from __future__ import annotations

import concurrent.futures
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

import gevent
from gevent.event import Event
from gevent.hub import Waiter

from backend.concurrency.cpu_affinity import unpin_current_thread
from backend.concurrency.host import ThreadHost

P = ParamSpec("P")
T = TypeVar("T")

_HIGHEST_PRIORITY = 2  # the highest priority of a watcher


class GeventHost:
    """Host for the hub of the thread that creates it.

    One async watcher serves all waits: other threads append callbacks to a queue and
    wake the hub, which then drains the queue before it handles network input.
    """

    def __init__(self) -> None:
        hub = gevent.get_hub()
        self._hub_thread = threading.get_ident()
        self._thread_host = ThreadHost()
        self._pool = hub.threadpool
        self._calls: deque[Callable[[], object]] = deque()
        self._watcher = hub.loop.async_(priority=_HIGHEST_PRIORITY)
        self._watcher.start(self._drain)

    def wait(self, future: concurrent.futures.Future[T], timeout_s: float) -> T:
        """Wait for the future while other greenlets run; then this one runs next.

        A thread other than the hub's is blocked.
        """
        if threading.get_ident() != self._hub_thread:
            return self._thread_host.wait(future, timeout_s)
        if not future.done():
            waiter = Waiter()  # an Event would run all greenlets that are ready by then first
            future.add_done_callback(lambda _future: self.call_on_hub(partial(waiter.switch, None)))
            with gevent.Timeout(timeout_s, TimeoutError):
                waiter.get()
        return future.result(0)

    def call_blocking(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run the function in gevent's threadpool, or directly in a thread other than the hub's."""
        if threading.get_ident() != self._hub_thread:
            return function(*args, **kwargs)
        outcome: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._pool.apply(_settle, (outcome, function, args, kwargs))
        return outcome.result(0)

    def new_signal(self) -> HubSignal:
        """Create a signal for which greenlets wait."""
        return HubSignal(self)

    def yield_for(self, seconds: float) -> None:
        """Yield to other greenlets for `seconds`."""
        gevent.sleep(seconds)

    def call_on_hub(self, function: Callable[[], object]) -> None:
        """Schedule a short callback on the hub; from any thread."""
        self._calls.append(function)
        self._watcher.send()

    def close(self) -> None:
        """Stop accepting callbacks of other threads."""
        self._watcher.close()

    def _drain(self) -> None:
        while self._calls:
            self._calls.popleft()()


def _settle(
    outcome: concurrent.futures.Future[T],
    function: Callable[..., T],
    args: tuple[object, ...],
    kwargs: dict[str, object],
) -> None:
    """Store the function's result or exception: gevent prints exceptions raised in its pool."""
    unpin_current_thread()  # hashing passwords releases the interpreter
    try:
        outcome.set_result(function(*args, **kwargs))
    except BaseException as error:
        outcome.set_exception(error)


class HubSignal:
    """Signal whose waits are for the hub's own greenlets only."""

    def __init__(self, host: GeventHost) -> None:
        self._host = host
        self._is_set = False
        self._sets = 0
        self._waits: dict[Event, int] = {}

    def set(self) -> None:
        """Wake all waiting greenlets; thread-safe."""
        self._is_set = True
        self._sets += 1
        self._host.call_on_hub(partial(self._wake, self._sets))

    def clear(self) -> None:
        """Make later waits block again."""
        self._is_set = False

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until set; False on timeout."""
        sets_before = self._sets
        if self._is_set:
            return True
        woken = Event()
        self._waits[woken] = sets_before
        try:
            return bool(woken.wait(timeout_s))
        finally:
            del self._waits[woken]

    def _wake(self, sets: int) -> None:
        """Wake the earlier waits; it may have been cleared and waited for again by now."""
        for woken, sets_before in self._waits.items():
            if sets_before < sets:
                woken.set()
