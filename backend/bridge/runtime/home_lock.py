"""Advisory lock on BACKEND_HOME, so that one process at a time uses it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class HomeLocked(Exception):
    """Another process uses this home folder."""


class HomeLock:
    """Locks `home/lock` until `close()` or the end of the process, even by kill -9.

    Raises `HomeLocked`, with one line for the user, when another process has it.
    """

    def __init__(self, home: Path) -> None:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = open(home / "lock", "a+", encoding="ascii")  # noqa: SIM115 - held until close
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = self._owner()
            self._file.close()
            raise HomeLocked(
                f"BACKEND_HOME {home} is in use by {owner}: stop it or choose another"
            ) from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def close(self) -> None:
        """Release the lock; does nothing when it was released before."""
        self._file.close()

    def _owner(self) -> str:
        self._file.seek(0)
        owner = self._file.read(20).strip()
        return f"process {owner}" if owner.isdigit() else "another process"
