"""CPU affinity: keeps the threads that share Python's interpreter lock on one core.

Only one of them runs at a time, so they need no second core. An order goes from the
server's thread to the journal's, to the bot's and back: if each has a core of its own,
that core has gone to sleep by then and does not have the order's data in its cache.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable
from pathlib import Path

_FOLLOW_S = 5.0
_FREE_S = 0.02
_CORE_FIELD = 36  # index after the name in /proc/<pid>/stat
_TASKS = Path("/proc/self/task")


class PinnedToOneCore:
    """Pins the process to the core that its main thread runs on; does nothing except on Linux.

    Every few seconds the threads may move for a moment, so that the system's scheduler
    selects the best core: another program may be using the present one.
    """

    def __init__(self) -> None:
        self._all = _cores()
        self._elsewhere: set[int] = set()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="core", daemon=True)
        if len(self._all) > 1:
            _present.append(self)
            self._bind()
            self._thread.start()

    def close(self) -> None:
        """Unpin all threads."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()
            _present.remove(self)
            self._allow(self._all)

    def release(self, task: int) -> None:
        """Unpin one thread: it may use every core from now on."""
        self._elsewhere.add(task)
        with contextlib.suppress(OSError):
            os.sched_setaffinity(task, self._all)

    def _follow(self) -> None:
        while not self._closing.wait(_FOLLOW_S):
            self._allow(self._all)
            self._closing.wait(_FREE_S)
            self._bind()

    def _bind(self) -> None:
        with contextlib.suppress(OSError, ValueError, IndexError):
            stat = (_TASKS / str(os.getpid()) / "stat").read_text()
            self._allow([int(stat.rpartition(")")[2].split()[_CORE_FIELD])])

    def _allow(self, cores: Iterable[int]) -> None:
        elsewhere = set(self._elsewhere)
        tasks = {int(task) for task in os.listdir(_TASKS)}
        self._elsewhere -= elsewhere - tasks  # they have ended: their numbers are reused
        for task in tasks - elsewhere:
            with contextlib.suppress(OSError):  # it has ended, or may not be pinned
                os.sched_setaffinity(task, cores)


_present: list[PinnedToOneCore] = []
_of_thread = threading.local()


def run_anywhere() -> None:
    """Unpin the calling thread, whose work is long and releases the interpreter."""
    if _present and not getattr(_of_thread, "is_free", False):
        _of_thread.is_free = True
        _present[-1].release(threading.get_native_id())


def _cores() -> frozenset[int]:
    """Return the cores that this process may use; none where that is unknown."""
    try:
        return frozenset(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return frozenset()
