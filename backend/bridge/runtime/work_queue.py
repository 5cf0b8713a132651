"""Bounded, per-caller fair queue of coroutines for one asyncio loop, filled from any thread."""

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
    """The loop accepts no more work: nothing of it was begun."""


class Slot(Generic[T]):
    """Capacity for one coroutine of a caller, held until `future` is done.

    A slot that is not needed is released.
    """

    def __init__(self, queue: WorkQueue, caller: str) -> None:
        self._queue = queue
        self.caller = caller
        self.future: concurrent.futures.Future[T] = concurrent.futures.Future()
        self.work: Coroutine[Any, Any, T] | None = None

    def submit(self, work: Coroutine[Any, Any, T]) -> None:
        """Queue the coroutine; its future is canceled if the loop ends first.

        Raises `LoopEnded` when the loop has ended: nothing was begun then.
        """
        self.work = work
        self._queue.enqueue(self)

    def release(self) -> None:
        """Release the capacity; does nothing once work was submitted."""
        if self.work is None:
            self.future.cancel()

    def close(self) -> None:
        """Close a coroutine that will never start."""
        if self.work is not None:
            self.work.close()


class WorkQueue:
    """Starts coroutines of many callers on one loop, round-robin between the callers.

    At most `capacity` of them wait or run. A caller has at most as many as there is
    capacity left, so that one caller gets half of it, two get a third each, and there
    is always some left for another one. Urgent work (rate limits bound it) passes the bound.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, capacity: int) -> None:
        self._loop = loop
        self._capacity = capacity
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[Slot[Any]]] = {}
        self._held: dict[str, int] = {}
        self._unfinished: dict[concurrent.futures.Future[Any], Slot[Any]] = {}
        self._is_scheduled = False

    def __len__(self) -> int:
        return len(self._unfinished)

    def reserve(self, caller: str = "", *, urgent: bool = False) -> Slot[Any]:
        """Return a slot for work that is submitted later; raises `BotBusy` if none is left."""
        slot: Slot[Any] = Slot(self, caller)
        with self._lock:
            left = self._capacity - len(self._unfinished)
            if self._held.get(caller, 0) >= left and not urgent:
                raise BotBusy("too much waits for the bot already")
            self._held[caller] = self._held.get(caller, 0) + 1
            self._unfinished[slot.future] = slot
        slot.future.add_done_callback(partial(self._forget, caller))
        return slot

    def submit(
        self, work: Coroutine[Any, Any, T], caller: str = "", *, urgent: bool = False
    ) -> concurrent.futures.Future[T]:
        """Queue a coroutine; its future is canceled if the loop ends first.

        Raises `LoopEnded`, or `BotBusy` when there is no capacity left.
        """
        try:
            slot: Slot[T] = self.reserve(caller, urgent=urgent)
        except BotBusy:
            work.close()
            raise
        slot.submit(work)
        return slot.future

    def enqueue(self, slot: Slot[Any]) -> None:
        """Append a slot to its caller's queue; called by `Slot.submit`."""
        with self._lock:
            is_queued = not slot.future.cancelled() and self._schedule()
            if is_queued:
                self._waiting.setdefault(slot.caller, deque()).append(slot)
        if not is_queued:
            slot.close()
            slot.future.cancel()
            raise LoopEnded
        if self._loop.is_closed():  # possibly after `abandon` has looked
            self.abandon()

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Schedule a short callback on the loop, out of order and unbounded, unless it ended."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback)

    def abandon(self) -> None:
        """Cancel the work that a closed loop will never do."""
        for slot in list(self._unfinished.values()):
            slot.future.cancel()
            slot.close()

    def _schedule(self) -> bool:
        """Schedule `_start_next` unless it is; return False when the loop has ended."""
        if not self._is_scheduled:
            try:
                self._loop.call_soon_threadsafe(self._start_next)
            except RuntimeError:
                return False
            self._is_scheduled = True
        return True

    def _forget(self, caller: str, future: concurrent.futures.Future[Any]) -> None:
        with self._lock:
            del self._unfinished[future]
            self._held[caller] -= 1
            if not self._held[caller]:
                del self._held[caller]

    # ---- on the loop

    def _start_next(self) -> None:
        """Start one coroutine, and let the loop run other callbacks before the next.

        Orders take many steps: those started together would each wait for the steps of
        all, and the bot with them.
        """
        with self._lock:
            slot = self._next()
            self._is_scheduled = bool(self._waiting)
        if self._is_scheduled:
            self._loop.call_soon(self._start_next)
        self._start(slot)

    def _next(self) -> Slot[Any]:
        caller, line = next(iter(self._waiting.items()))
        slot = line.popleft()
        del self._waiting[caller]
        if line:
            self._waiting[caller] = line  # appended: the other callers come first
        return slot

    def _start(self, slot: Slot[Any]) -> None:
        if slot.future.cancelled() or slot.work is None:
            slot.close()
            return
        task = self._loop.create_task(slot.work)
        task.add_done_callback(partial(_copy_outcome, slot.future))
        slot.future.add_done_callback(partial(self._cancel_task, task))

    def _cancel_task(self, task: asyncio.Task[Any], future: concurrent.futures.Future[Any]) -> None:
        """Cancel the task of a canceled future: its caller no longer waits."""
        if future.cancelled():
            with contextlib.suppress(RuntimeError):  # the loop has ended, and the task with it
                self._loop.call_soon_threadsafe(task.cancel)


def _copy_outcome(future: concurrent.futures.Future[Any], task: asyncio.Task[Any]) -> None:
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
