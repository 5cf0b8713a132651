"""Executor of coroutines on the bot's loop for callers on other threads, with timeouts."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from backend.bridge.runtime.work_queue import LoopEnded, Slot, WorkQueue
from backend.bridge.status import Status
from backend.concurrency.host import Host, current_caller, is_urgent
from backend.errors import BotNotReady, BotTimeout, OrderStateUnknown

P = ParamSpec("P")
T = TypeVar("T")


class LoopExecutor:
    """Runs coroutines on the bot's loop while there is one and the bot is ready; from any thread.

    `status` returns the bot's state; it decides whether work is accepted.
    """

    def __init__(self, host: Host, timeout_s: float, status: Callable[[], Status]) -> None:
        self._host = host
        self._status = status
        self.timeout_s = timeout_s
        self._queue: WorkQueue | None = None

    @property
    def waiting(self) -> int:
        """The number of requests whose work is queued or running on the loop."""
        return 0 if self._queue is None else len(self._queue)

    def open(self, loop: asyncio.AbstractEventLoop, capacity: int) -> None:
        """Accept work for a new loop, at most `capacity` coroutines at once."""
        self._queue = WorkQueue(loop, capacity)

    def close(self) -> None:
        """Cancel the waiting work of a closed loop, and accept no more."""
        if self._queue is not None:
            self._queue.abandon()
            self._queue = None

    def run(
        self, function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a coroutine function on the bot's loop and return its result.

        Raises `BotNotReady` unless the bot runs (or is paused), `BotBusy` when the queue is full,
        `BotTimeout` when it takes longer than the settings allow; the work is then canceled.
        """
        future = self._submit(function, *args, **kwargs)
        try:
            return self._host.wait(future, self.timeout_s)
        except TimeoutError:
            future.cancel()
            raise BotTimeout("the bot did not answer in time") from None
        except (asyncio.CancelledError, concurrent.futures.CancelledError):
            raise BotNotReady("the bot was stopped meanwhile") from None

    def run_command(
        self, function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run work that must not be interrupted, such as the placement of an order.

        After the timeout it continues, and `OrderStateUnknown` is raised: the order
        list shows the outcome.
        """
        future = self._submit(function, *args, **kwargs)
        try:
            return self._host.wait(future, self.timeout_s)
        except TimeoutError:
            raise OrderStateUnknown("the exchange has not answered in time") from None
        except (asyncio.CancelledError, concurrent.futures.CancelledError):
            raise OrderStateUnknown("the bot was stopped meanwhile") from None

    def require_ready(self) -> None:
        """Raise `BotNotReady` unless the bot runs or is paused."""
        self._require_queue()

    def reserve(self) -> Slot[Any]:
        """Return a slot in the queue for work that the current caller submits later.

        Raises `BotNotReady`, or `BotBusy` when the queue has no capacity left for the caller.
        """
        return self._require_queue().reserve(current_caller(), urgent=is_urgent())

    def wait_for(
        self,
        change: concurrent.futures.Future[None],
        callback: Callable[[], None],
        timeout_s: float,
    ) -> None:
        """Call `callback` on the loop, if there is one, and wait for `change` until a timeout."""
        queue = self._queue
        if queue is not None:
            queue.call_soon(callback)
            with contextlib.suppress(TimeoutError):
                self._host.wait(change, timeout_s)

    def _require_queue(self) -> WorkQueue:
        status, queue = self._status(), self._queue
        if status.state not in ("running", "paused") or queue is None:
            raise BotNotReady(
                f"the bot is {status.state}" + (f": {status.reason}" if status.reason else "")
            )
        return queue

    def _submit(
        self, function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> concurrent.futures.Future[T]:
        queue = self._require_queue()
        try:
            return queue.submit(function(*args, **kwargs), current_caller(), urgent=is_urgent())
        except LoopEnded:
            raise BotNotReady("the bot was stopped meanwhile") from None
