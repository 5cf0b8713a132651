"""Work that other threads hand to a loop; none of it is left waiting when the loop ends."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class LoopEnded(Exception):
    """The loop takes no more work: nothing of it was begun."""


class Crossings:
    """The way onto one loop, from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: dict[concurrent.futures.Future[Any], Coroutine[Any, Any, Any]] = {}

    def submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Schedule work; its future is canceled if the loop ends first. Raises `LoopEnded`."""
        try:
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:
            work.close()
            raise LoopEnded from None
        self._waiting[future] = work
        future.add_done_callback(self._waiting.pop)
        if self._loop.is_closed():  # perhaps after `abandon` looked
            self.abandon()
        return future

    def abandon(self) -> None:
        """Cancel what a closed loop will never do."""
        for future, work in list(self._waiting.items()):
            future.cancel()
            work.close()
