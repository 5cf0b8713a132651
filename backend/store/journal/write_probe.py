"""Write probe: a small write that tells whether the journal's database can be written now."""

from __future__ import annotations

import concurrent.futures
import logging
import threading
import time
from collections.abc import Callable

FRESH_S = 1.0

log = logging.getLogger(__name__)


class WriteProbe:
    """Runs a write on a thread of its own, one at a time and at most one in `FRESH_S`.

    A lock or an unreachable server may hold the write up for seconds; the callers decide how
    long they wait for its future.
    """

    def __init__(self, write: Callable[[], None]) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._latest: concurrent.futures.Future[None] | None = None
        self._fresh_until = 0.0
        self._has_failed = False

    def begin(self) -> concurrent.futures.Future[None]:
        """Return the future of the write that runs, of one just ended, or else of a new one."""
        with self._lock:
            latest = self._latest
            if latest is not None and not (latest.done() and time.monotonic() > self._fresh_until):
                return latest
            future: concurrent.futures.Future[None] = concurrent.futures.Future()
            self._latest = future
        threading.Thread(target=self._run, args=(future,), name="write-probe", daemon=True).start()
        return future

    def _run(self, future: concurrent.futures.Future[None]) -> None:
        try:
            self._write()
        except Exception as error:  # raised again to those who wait
            self._note(error)
            future.set_exception(error)
        else:
            self._note(None)
            future.set_result(None)

    def _note(self, error: Exception | None) -> None:
        """Log the first failure of several, and the end of them."""
        self._fresh_until = time.monotonic() + FRESH_S
        if error is not None and not self._has_failed:
            log.warning("the database cannot be written: %s", error)
        elif error is None and self._has_failed:
            log.warning("the database can be written again")
        self._has_failed = error is not None
