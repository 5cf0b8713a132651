"""Work that other threads hand to a loop: bounded, in turns between callers, never left behind."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from backend.errors import BotBusy

T = TypeVar("T")


class LoopEnded(Exception):
    """The loop takes no more work: nothing of it was begun."""


@dataclass(frozen=True, slots=True, eq=False)
class _Crossing:
    caller: str
    work: Coroutine[Any, Any, Any]
    future: concurrent.futures.Future[Any]


class Crossings:
    """The way onto one loop, from any thread.

    At most `most` pieces of work wait or run. A caller has at most as many as
    there is room left, so that one caller gets half of it, two get a third each,
    and there is always room for another one.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, most: int) -> None:
        self._loop = loop
        self._most = most
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[_Crossing]] = {}
        self._held: dict[str, int] = {}
        self._unfinished: dict[concurrent.futures.Future[Any], _Crossing] = {}
        self._is_turning = False

    def __len__(self) -> int:
        return len(self._unfinished)

    def require_room(self, caller: str) -> None:
        """Raise `BotBusy` if nothing more of this caller would be taken."""
        if self._held.get(caller, 0) >= self._most - len(self._unfinished):
            raise BotBusy("too much waits for the bot already")

    def submit(
        self, work: Coroutine[Any, Any, T], caller: str = ""
    ) -> concurrent.futures.Future[T]:
        """Have work done in its turn; its future is canceled if the loop ends first.

        Raises `LoopEnded`, or `BotBusy` when there is no room.
        """
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        crossing = _Crossing(caller, work, future)
        try:
            self._enter(crossing)
        except (BotBusy, LoopEnded):
            work.close()
            raise
        future.add_done_callback(partial(self._leave, crossing))
        if self._loop.is_closed():  # perhaps after `abandon` looked
            self.abandon()
        return future

    def abandon(self) -> None:
        """Cancel what a closed loop will never do."""
        for crossing in list(self._unfinished.values()):
            crossing.future.cancel()
            crossing.work.close()

    def _enter(self, crossing: _Crossing) -> None:
        caller = crossing.caller
        with self._lock:
            self.require_room(caller)
            if not self._is_turning:
                try:
                    self._loop.call_soon_threadsafe(self._turn)
                except RuntimeError:
                    raise LoopEnded from None
                self._is_turning = True
            self._waiting.setdefault(caller, deque()).append(crossing)
            self._held[caller] = self._held.get(caller, 0) + 1
            self._unfinished[crossing.future] = crossing

    def _leave(self, crossing: _Crossing, future: concurrent.futures.Future[Any]) -> None:
        with self._lock:
            del self._unfinished[future]
            self._held[crossing.caller] -= 1
            if not self._held[crossing.caller]:
                del self._held[crossing.caller]

    # ---- on the loop

    def _turn(self) -> None:
        """Begin one piece of work, and let the bot go on before the next.

        Orders take many steps: of those begun together each would wait for the
        steps of all, and the bot with them.
        """
        with self._lock:
            crossing = self._next()
            self._is_turning = bool(self._waiting)
        if self._is_turning:
            self._loop.call_soon(self._turn)
        self._begin(crossing)

    def _next(self) -> _Crossing:
        caller, queue = next(iter(self._waiting.items()))
        crossing = queue.popleft()
        del self._waiting[caller]
        if queue:
            self._waiting[caller] = queue  # at the end: the others come first
        return crossing

    def _begin(self, crossing: _Crossing) -> None:
        if crossing.future.cancelled():
            crossing.work.close()
            return
        task = self._loop.create_task(crossing.work)
        task.add_done_callback(partial(_pass_on, crossing.future))
        crossing.future.add_done_callback(partial(self._cancel, task))

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
