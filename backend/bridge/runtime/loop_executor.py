"""The way onto the bot's loop: what may cross, for how long it is waited for, and how it fails."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from backend.bridge.runtime.work_queue import LoopEnded, Slot, WorkQueue
from backend.bridge.status import Status
from backend.concurrency.host import Host, current_caller
from backend.errors import BotNotReady, BotTimeout, OrderStateUnknown

P = ParamSpec("P")
T = TypeVar("T")


class LoopExecutor(ABC):
    """Takes work onto the loop while there is one and the bot runs; from any thread."""

    def __init__(self, host: Host, timeout_s: float) -> None:
        self._host = host
        self.timeout_s = timeout_s
        self._queue: WorkQueue | None = None

    @property
    @abstractmethod
    def status(self) -> Status:
        """The bot's present state."""

    @property
    def waiting(self) -> int:
        """How many requests wait for the loop, or have it work for them, right now."""
        return 0 if self._queue is None else len(self._queue)

    def run(
        self, function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a coroutine function on the bot's loop and return its result.

        Raises `BotNotReady` unless the bot runs (or is paused), `BotBusy` when too
        much waits for it, `BotTimeout` when it takes longer than the settings
        allow; the work is then canceled.
        """
        future = self._run_on_loop(function, *args, **kwargs)
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
        """Run work that must not be cut short, such as an order on its way.

        When it takes too long it goes on, and `OrderStateUnknown` is raised:
        what became of it shows in the order list.
        """
        future = self._run_on_loop(function, *args, **kwargs)
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
        """Hold room on the loop for work of this caller that is to be entered later.

        Raises `BotNotReady`, or `BotBusy` when the loop would take no more of it.
        """
        return self._require_queue().reserve(current_caller())

    def wait_for(
        self, change: concurrent.futures.Future[None], callback: Callable[[], None], most_s: float
    ) -> None:
        """Have the loop, if there is one, bring a change about; wait for that, but not for long."""
        queue = self._queue
        if queue is not None:
            queue.nudge(callback)
            with contextlib.suppress(TimeoutError):
                self._host.wait(change, most_s)

    def _require_queue(self) -> WorkQueue:
        status, queue = self.status, self._queue
        if status.state not in ("running", "paused") or queue is None:
            raise BotNotReady(
                f"the bot is {status.state}" + (f": {status.reason}" if status.reason else "")
            )
        return queue

    def _run_on_loop(
        self, function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> concurrent.futures.Future[T]:
        queue = self._require_queue()
        try:
            return queue.submit(function(*args, **kwargs), current_caller())
        except LoopEnded:
            raise BotNotReady("the bot was stopped meanwhile") from None
