"""Integrity of a SQLite file: the check at start, and damage that shows while the server runs."""

from __future__ import annotations

import logging
import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path

from sqlalchemy.exc import DBAPIError

INLINE_BYTES = 200_000_000
"""Larger files are checked in the background: `PRAGMA quick_check` reads some 400 MB a second."""

_DAMAGE = (
    "database disk image is malformed",
    "file is not a database",
    "malformed database schema",
)
# a database that is intact, and cannot be used now
_UNUSABLE = ("locked", "readonly", "disk I/O", "disk is full", "unable to open", "memory", "denied")

_LONGEST_REASON = 200
_UNREADABLE = (ValueError, LookupError, TypeError, ArithmeticError)

log = logging.getLogger(__name__)


class StoreError(Exception):
    """The database cannot be used; the text is one line with the reason."""


class DatabaseDamaged(StoreError):
    """The SQLite file is damaged; the text is one line that says how to go on."""

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(
            f"{file} is damaged ({reason}): restore a backup, with the server stopped, "
            "by `octobot-backend restore --force ARCHIVE`"
        )


class Integrity:
    """State of one database file: not yet checked, intact or damaged; damage is for good.

    A database without a file (PostgreSQL checks itself) counts as checked and intact.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._checked = threading.Event()
        self._checked.set()
        self._connection: sqlite3.Connection | None = None
        self._closed = False
        self.damage: str | None = None

    @property
    def checked(self) -> bool:
        """Whether no check is under way."""
        return self._checked.is_set()

    def wait_until_checked(self, timeout_s: float) -> bool:
        """Wait for the end of a check in the background; False if that takes longer."""
        return self._checked.wait(timeout_s)

    def require_intact(self) -> None:
        """Wait for the end of a check; raises `StoreError` when it found damage."""
        self._checked.wait()
        if self.damage is not None:
            raise StoreError(self.damage)

    def begin_check(self, inline_bytes: int = INLINE_BYTES) -> bool:
        """Check a file up to `inline_bytes` now, a larger one in the background.

        Returns whether it is checked in the background. Raises `DatabaseDamaged` when the file
        is found damaged now.
        """
        if self._file is None:
            return False
        if size_on_disk(self._file) <= inline_bytes:
            complaint = quick_check(self._file)
            if complaint is not None:
                raise DatabaseDamaged(self._file, complaint)
            return False
        self._checked.clear()
        threading.Thread(target=self._check, args=(self._file,), name="check", daemon=True).start()
        return True

    def note(self, error: BaseException | None) -> bool:
        """Return whether an error of the driver tells of damage; log the first one."""
        if self._file is None or not is_damage(error):
            return False
        self._set_damage(self._file, str(error))
        return True

    def close(self) -> None:
        """Break off a check in the background."""
        with self._lock:
            self._closed = True
            if self._connection is not None:
                with suppress(sqlite3.ProgrammingError):  # it has just been closed
                    self._connection.interrupt()

    def _check(self, file: Path) -> None:
        try:
            with closing(_connect(file)) as connection:
                with self._lock:
                    self._connection = None if self._closed else connection
                if not self._closed:
                    complaint = _first_complaint(connection)
                with self._lock:
                    self._connection = None
            if not self._closed and complaint is not None:
                self._set_damage(file, complaint)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if not self._closed:
                self._set_damage(file, str(error))
        finally:
            self._checked.set()

    def _set_damage(self, file: Path, reason: str) -> None:
        with self._lock:
            if self.damage is not None:
                return
            self.damage = str(DatabaseDamaged(file, one_line(reason)))
        log.error("%s", self.damage)


def quick_check(file: Path) -> str | None:
    """Return the first fault that SQLite finds in a file, None if it is intact.

    Reads every page, while others read and write. Raises `StoreError` when the file
    cannot be opened or is locked.
    """
    try:
        with closing(_connect(file)) as connection:
            return _first_complaint(connection)
    except sqlite3.Error as error:
        if not means_damage(error):
            raise StoreError(f"{file}: {one_line(str(error))}") from error
        return one_line(str(error))
    except UnicodeDecodeError:  # raised in the place of an error that quotes a damaged name
        return "malformed database schema"


def size_on_disk(file: Path) -> int:
    """Return the bytes of a database file and its write-ahead log, 0 if there is none."""
    total = 0
    for path in (file, file.with_name(f"{file.name}-wal")):
        with suppress(OSError):
            total += path.stat().st_size
    return total


def is_damage(error: BaseException | None) -> bool:
    """Return whether an error of SQLite says that the file is damaged."""
    return isinstance(error, sqlite3.Error) and any(text in str(error) for text in _DAMAGE)


def means_damage(error: BaseException | None) -> bool:
    """Return whether a start may conclude from SQLite's error that the file is damaged.

    At a start the program's own statements are known to fit an intact file.
    """
    text = str(error)
    return isinstance(error, sqlite3.Error) and not any(part in text for part in _UNUSABLE)


def unusable(file: Path | None, error: BaseException) -> StoreError:
    """Return the error that stops a start, for one met in reading or migrating the database."""
    cause = _cause(error)
    reason = one_line(str(cause)) or type(cause).__name__
    if isinstance(cause, _UNREADABLE):
        reason = f"a row cannot be read: {type(cause).__name__}"
    if file is not None and (means_damage(cause) or isinstance(cause, _UNREADABLE)):
        return DatabaseDamaged(file, reason)
    return StoreError(f"BACKEND_DATABASE_URL: {reason}")


def _cause(error: BaseException) -> BaseException:
    """Return the driver's error that others were raised from."""
    while error.__cause__ is not None and not isinstance(error, DBAPIError):
        error = error.__cause__
    return error.orig or error if isinstance(error, DBAPIError) else error


def one_line(text: str) -> str:
    """Return the first line of a complaint, without SQLite's headings and stored content."""
    lines = [line.strip() for line in text.partition(" with text")[0].splitlines()]
    first = next((line for line in lines if line and not line.startswith("***")), "")
    return "".join(char if char.isprintable() else "?" for char in first[:_LONGEST_REASON])


def _connect(file: Path) -> sqlite3.Connection:
    uri = f"{file.absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, timeout=5, check_same_thread=False)
    # complaints quote names, which may be damaged too
    connection.text_factory = lambda content: content.decode("utf-8", "replace")
    return connection


def _first_complaint(connection: sqlite3.Connection) -> str | None:
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    return None if found == "ok" else one_line(str(found))
