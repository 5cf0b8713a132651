"""Waiting for conditions, and running calls concurrently."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

ENDS_WITHIN_S = 60


class Shuts(Protocol):
    """Object that is shut down when its tests are over."""

    def shut(self) -> None: ...


C = TypeVar("C", bound=Shuts)


@contextlib.contextmanager
def shutting_down(started: C) -> Iterator[C]:
    """Shut down what was started, and go back to the folder that a bot's boot has left."""
    left = Path.cwd()
    try:
        yield started
    finally:
        started.shut()
        os.chdir(left)


def wait_until(condition: Callable[[], object], timeout_s: float = 60) -> bool:
    """Return whether the condition came true in time."""
    deadline = time.monotonic() + timeout_s
    while not (met := bool(condition())) and time.monotonic() < deadline:
        time.sleep(0.002)
    return met


def run_concurrently(calls: list[Callable[[], Any]]) -> list[Any]:
    """Make all calls at the same moment, each in a thread; return results and exceptions."""
    outcomes: list[Any] = [None] * len(calls)
    barrier = threading.Barrier(len(calls))

    def run(index: int) -> None:
        barrier.wait()
        try:
            outcomes[index] = calls[index]()
        except Exception as error:
            outcomes[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(ENDS_WITHIN_S)
    assert not any(thread.is_alive() for thread in threads)
    return outcomes
