"""Exclusive lock of a home folder: the operating system drops it when the process ends."""

from __future__ import annotations

import os
from pathlib import Path

from filelock import lock_descriptor


class HomeLocked(Exception):
    """Another process runs on this home folder."""


class HomeLock:
    """Holds `home/lock` until `close()` or the end of the process, even by kill -9.

    Raises `HomeLocked`, with one line for the user, when another process has it.
    """

    def __init__(self, home: Path) -> None:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = open(home / "lock", "a+", encoding="ascii")  # noqa: SIM115 - held until close
        if not lock_descriptor(self._file.fileno(), blocking=False):
            owner = self._owner()
            self._file.close()
            raise HomeLocked(f"BACKEND_HOME {home} is in use by {owner}: stop it or choose another")
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def close(self) -> None:
        """Release the lock; further calls do nothing."""
        self._file.close()

    def _owner(self) -> str:
        try:
            self._file.seek(0)
            owner = self._file.read(20).strip()
        except OSError:  # Windows allows no reads of a locked file
            owner = ""
        return f"process {owner}" if owner.isdigit() else "another process"


def home_owner(home: Path) -> str | None:
    """Return the process that holds a home's lock, None if it is free."""
    if not (home / "lock").exists():
        return None
    try:
        HomeLock(home).close()
    except HomeLocked as error:
        return str(error).partition(" is in use by ")[2].partition(":")[0]
    except OSError:  # not ours to open
        return "perhaps another user's process"
    return None
