"""Backup of a home and its SQLite database into one archive, while a server may run."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from sqlalchemy import create_engine

from backend import __version__
from backend.schemas.common import time_text, utc_now
from backend.settings.model import Settings
from backend.store import archive
from backend.store.archive import DATABASE, OCTOBOT, BackupError, Manifest
from backend.store.database import database_file
from backend.store.integrity import quick_check
from backend.store.migrate import revision_of

_ENCRYPTION_KEY = "encryption.key"
# logs, caches and downloaded history are no state
_LEFT_OUT = frozenset({"logs", "backtesting", "__pycache__"})
_NO_DATABASE = (
    "BACKEND_DATABASE_URL names PostgreSQL: back it up with `pg_dump --format=custom`, "
    "and all else with `octobot-backend backup --without-database`"
)


def back_up(
    settings: Settings, target: Path, *, encryption_key: bool = True, database: bool = True
) -> Path:
    """Write an archive of the home and return its path; `target` is a new file or a folder.

    The database is copied in one transaction, so it is as it was at one instant. The file
    appears when it is whole, with mode 600. Raises `BackupError`, and `StoreError` for
    settings that name no database.
    """
    file = database_file(settings)
    if database and file is None:
        raise BackupError(_NO_DATABASE)
    if database and file is not None and not file.exists():
        raise BackupError(f"{file} does not exist: nothing to back up")
    path = _new_file(target)
    with _errors_of_writing(path), _staging(path.parent) as folder:
        schema = _copy_database(file, folder / DATABASE) if database and file else None
        _copy_home(settings.home, folder, encryption_key=encryption_key)
        names = sorted(str(found.relative_to(folder)) for found in folder.rglob("*"))
        files = {
            name: archive.measure(folder / name) for name in names if (folder / name).is_file()
        }
        manifest = Manifest(__version__, schema, time_text(utc_now()), files)
        draft = folder / "archive"
        archive.write(folder, manifest, draft)
        draft.rename(path)
        sync_folder(path.parent)
    return path


def schema_of(file: Path) -> str | None:
    """Return the schema revision of a SQLite file that nothing else uses."""
    engine = create_engine(f"sqlite:///{file}")
    try:
        with engine.connect() as connection:
            return revision_of(connection)
    finally:
        engine.dispose()


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut, where the system offers it."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _new_file(target: Path) -> Path:
    path = target.expanduser().absolute()
    if path.is_dir():
        path = path / f"octobot-backend-{utc_now():%Y%m%dT%H%M%SZ}.tar.gz"
    if path.exists():
        raise BackupError(f"{path} exists already")
    if not path.parent.is_dir():
        raise BackupError(f"{path.parent} is no folder")
    return path


@contextmanager
def _errors_of_writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackupError(f"{path}: {error.strerror or error}") from error
    except sqlite3.Error as error:
        raise BackupError(f"{path}: the database cannot be copied: {error}") from error


@contextmanager
def _staging(parent: Path) -> Iterator[Path]:
    """Make a folder on the target's disk, readable by its owner only, for the time of a backup."""
    with tempfile.TemporaryDirectory(prefix=".octobot-backend-", dir=parent) as folder:
        yield Path(folder)


def _copy_database(file: Path, copy: Path) -> str | None:
    """Copy a database in one read transaction, which holds up no writer; return its revision."""
    os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    uri = f"{file.absolute().as_uri()}?mode=rw"
    with (
        closing(sqlite3.connect(uri, uri=True, timeout=30)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
        # one file without a write-ahead log beside it
        target.execute("PRAGMA journal_mode = DELETE")
    complaint = quick_check(copy)
    if complaint is not None:
        raise BackupError(f"{file} is damaged ({complaint}): this would be no backup")
    return schema_of(copy)


def _copy_home(home: Path, folder: Path, *, encryption_key: bool) -> None:
    for name in archive.SINGLE_FILES:
        if name == DATABASE or (name == _ENCRYPTION_KEY and not encryption_key):
            continue
        with suppress(FileNotFoundError):
            shutil.copyfile(home / name, folder / name)
    for parent, folders, names in os.walk(home / OCTOBOT):
        folders[:] = [each for each in folders if each not in _LEFT_OUT]
        for name in names:
            source = Path(parent, name)
            if source.is_symlink() or not source.is_file() or source.suffix == ".tmp":
                continue
            copy = folder / source.relative_to(home)
            copy.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):  # replaced or deleted meanwhile
                shutil.copyfile(source, copy)
