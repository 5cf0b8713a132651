"""Work that other threads hand to a loop: bounded, in turns between callers, never left behind."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Generic, TypeVar

from backend.errors import BotBusy

T = TypeVar("T")


class LoopEnded(Exception):
    """The loop takes no more work: nothing of it was begun."""


class Slot(Generic[T]):
    """Room for one piece of work of a caller, theirs until `future` is done.

    Whoever holds it and finds that there is nothing to do gives it back.
    """

    def __init__(self, queue: WorkQueue, caller: str) -> None:
        self._queue = queue
        self.caller = caller
        self.future: concurrent.futures.Future[T] = concurrent.futures.Future()
        self.work: Coroutine[Any, Any, T] | None = None

    def enter(self, work: Coroutine[Any, Any, T]) -> None:
        """Have work done in its turn; its future is canceled if the loop ends first.

        Raises `LoopEnded` when that has happened: then nothing of it was begun.
        """
        self.work = work
        self._queue.enter(self)

    def give_back(self) -> None:
        """Let others have the room; does nothing when the work was entered."""
        if self.work is None:
            self.future.cancel()

    def close(self) -> None:
        """Drop work that will never begin."""
        if self.work is not None:
            self.work.close()


class WorkQueue:
    """The way onto one loop, from any thread.

    At most `most` pieces of work wait or run. A caller has at most as many as
    there is room left, so that one caller gets half of it, two get a third each,
    and there is always room for another one.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, most: int) -> None:
        self._loop = loop
        self._most = most
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[Slot[Any]]] = {}
        self._held: dict[str, int] = {}
        self._unfinished: dict[concurrent.futures.Future[Any], Slot[Any]] = {}
        self._is_turning = False

    def __len__(self) -> int:
        return len(self._unfinished)

    def reserve(self, caller: str = "") -> Slot[Any]:
        """Hold room for work that is to be entered later; raises `BotBusy` if there is none."""
        place: Slot[Any] = Slot(self, caller)
        with self._lock:
            if self._held.get(caller, 0) >= self._most - len(self._unfinished):
                raise BotBusy("too much waits for the bot already")
            self._held[caller] = self._held.get(caller, 0) + 1
            self._unfinished[place.future] = place
        place.future.add_done_callback(partial(self._leave, caller))
        return place

    def submit(
        self, work: Coroutine[Any, Any, T], caller: str = ""
    ) -> concurrent.futures.Future[T]:
        """Have work done in its turn; its future is canceled if the loop ends first.

        Raises `LoopEnded`, or `BotBusy` when there is no room.
        """
        try:
            place: Slot[T] = self.reserve(caller)
        except BotBusy:
            work.close()
            raise
        place.enter(work)
        return place.future

    def enter(self, place: Slot[Any]) -> None:
        """Put work in its line; called by its place."""
        with self._lock:
            turns = not place.future.cancelled() and self._keep_turning()
            if turns:
                self._waiting.setdefault(place.caller, deque()).append(place)
        if not turns:
            place.close()
            place.future.cancel()
            raise LoopEnded
        if self._loop.is_closed():  # perhaps after `abandon` looked
            self.abandon()

    def nudge(self, callback: Callable[[], None]) -> None:
        """Have the loop call something short soon, if it has not ended; out of turn, unbounded."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback)

    def _keep_turning(self) -> bool:
        """Have the loop take what waits; False when it has ended."""
        if not self._is_turning:
            try:
                self._loop.call_soon_threadsafe(self._turn)
            except RuntimeError:
                return False
            self._is_turning = True
        return True

    def abandon(self) -> None:
        """Cancel what a closed loop will never do."""
        for place in list(self._unfinished.values()):
            place.future.cancel()
            place.close()

    def _leave(self, caller: str, future: concurrent.futures.Future[Any]) -> None:
        with self._lock:
            del self._unfinished[future]
            self._held[caller] -= 1
            if not self._held[caller]:
                del self._held[caller]

    # ---- on the loop

    def _turn(self) -> None:
        """Begin one piece of work, and let the bot go on before the next.

        Orders take many steps: of those begun together each would wait for the
        steps of all, and the bot with them.
        """
        with self._lock:
            place = self._next()
            self._is_turning = bool(self._waiting)
        if self._is_turning:
            self._loop.call_soon(self._turn)
        self._begin(place)

    def _next(self) -> Slot[Any]:
        caller, queue = next(iter(self._waiting.items()))
        place = queue.popleft()
        del self._waiting[caller]
        if queue:
            self._waiting[caller] = queue  # at the end: the others come first
        return place

    def _begin(self, place: Slot[Any]) -> None:
        if place.future.cancelled() or place.work is None:
            place.close()
            return
        task = self._loop.create_task(place.work)
        task.add_done_callback(partial(_pass_on, place.future))
        place.future.add_done_callback(partial(self._cancel, task))

    def _cancel(self, task: asyncio.Task[Any], future: concurrent.futures.Future[Any]) -> None:
        """End work whose caller waits no longer."""
        if future.cancelled():
            with contextlib.suppress(RuntimeError):  # the loop has ended, and the task with it
                self._loop.call_soon_threadsafe(task.cancel)


def _pass_on(future: concurrent.futures.Future[Any], task: asyncio.Task[Any]) -> None:
    if task.cancelled():
        future.cancel()
        return
    error = task.exception()
    if not future.set_running_or_notify_cancel():
        return
    if error is None:
        future.set_result(task.result())
    else:
        future.set_exception(error)
