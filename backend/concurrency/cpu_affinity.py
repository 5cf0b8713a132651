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

_REPIN_INTERVAL_S = 5.0
_UNPINNED_S = 0.02
_CORE_FIELD = 36  # index after the name in /proc/<pid>/stat
_TASKS = Path("/proc/self/task")


class SingleCoreAffinity:
    """CPU affinity of the process: all threads on the main thread's core; a no-op except on Linux.

    Every few seconds the threads may move for a moment, so that the system's scheduler
    selects the best core: another program may be using the present one.
    """

    def __init__(self) -> None:
        self._all_cores = _available_cores()
        self._unpinned: set[int] = set()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._repin_periodically, name="core", daemon=True)
        if len(self._all_cores) > 1:
            _active.append(self)
            self._pin()
            self._thread.start()

    def close(self) -> None:
        """Unpin all threads."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()
            _active.remove(self)
            self._set_affinity(self._all_cores)

    def release(self, task: int) -> None:
        """Unpin one thread: it may use every core from now on."""
        self._unpinned.add(task)
        with contextlib.suppress(OSError):
            os.sched_setaffinity(task, self._all_cores)

    def _repin_periodically(self) -> None:
        while not self._closing.wait(_REPIN_INTERVAL_S):
            self._set_affinity(self._all_cores)
            self._closing.wait(_UNPINNED_S)
            self._pin()

    def _pin(self) -> None:
        with contextlib.suppress(OSError, ValueError, IndexError):
            stat = (_TASKS / str(os.getpid()) / "stat").read_text()
            self._set_affinity([int(stat.rpartition(")")[2].split()[_CORE_FIELD])])

    def _set_affinity(self, cores: Iterable[int]) -> None:
        unpinned = set(self._unpinned)
        tasks = {int(task) for task in os.listdir(_TASKS)}
        self._unpinned -= unpinned - tasks  # they have ended: their numbers are reused
        for task in tasks - unpinned:
            with contextlib.suppress(OSError):  # it has ended, or may not be pinned
                os.sched_setaffinity(task, cores)


_active: list[SingleCoreAffinity] = []
_thread_state = threading.local()


def unpin_current_thread() -> None:
    """Unpin the calling thread; for threads whose long work releases the interpreter lock."""
    if _active and not getattr(_thread_state, "is_unpinned", False):
        _thread_state.is_unpinned = True
        _active[-1].release(threading.get_native_id())


def _available_cores() -> frozenset[int]:
    """Return the cores that this process may use; empty if the system does not say."""
    try:
        return frozenset(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return frozenset()
