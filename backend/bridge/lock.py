"""One process owns a home folder: an advisory lock that the kernel drops with the process."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO


class HomeLocked(Exception):
    """Another process runs on this home folder."""


class HomeLock:
    """Hold `home/lock` until `release()` or the end of the process, even by kill -9."""

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self._path = home / "lock"
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock; raises `HomeLocked` with one line for the user."""
        file = open(self._path, "a+", encoding="ascii")  # noqa: SIM115 - held until release
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            owner = file.read(20).strip()
            file.close()
            who = f"process {owner}" if owner.isdigit() else "another process"
            raise HomeLocked(
                f"BACKEND_HOME {self._path.parent} is in use by {who}: stop it or choose another"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._file is not None:
            self._file.close()
            self._file = None
