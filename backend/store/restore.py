"""Restoration of a backup into a home that no server uses."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from backend.schemas.common import utc_now
from backend.settings.model import Settings
from backend.store import archive
from backend.store.archive import DATABASE, BackupError, Manifest
from backend.store.backup import schema_of, sync_folder
from backend.store.database import database_file
from backend.store.home_lock import HomeLock
from backend.store.integrity import StoreError, quick_check
from backend.store.migrate import known_revisions

_MARKER = "restore-unfinished"
_ASIDE = "before-restore-"
_STAGING = ".restore-"
# neither part of a backup nor in its way
_KEPT = frozenset({"lock", "logs", "lost+found", _MARKER})
_SIDE_FILES = ("", "-wal", "-shm", "-journal")


def restore(settings: Settings, path: Path, *, force: bool = False) -> tuple[Manifest, Path | None]:
    """Put a backup into the home; return its manifest and where the old files are, if any.

    Nothing is touched before the archive has been verified as a whole. With `force` what is
    in the home is moved into a folder beside it, in the home itself. Raises `BackupError`,
    and `HomeLocked` while a server runs on the home.
    """
    home = settings.home
    with _errors_of_writing(home), closing(HomeLock(home)), _staging(home) as folder:
        file = database_file(settings)
        occupants = _occupants(home, file)
        if occupants and not force:
            raise BackupError(
                f"{home} is not empty ({occupants[0].name}): --force moves what is there aside"
            )
        manifest = archive.extract(path, folder)
        _require_usable(manifest, folder, file)
        aside = home / f"{_ASIDE}{utc_now():%Y%m%dT%H%M%S%f}" if occupants else None
        (home / _MARKER).touch(mode=0o600)
        sync_folder(home)
        if aside is not None:
            aside.mkdir(mode=0o700)
            for each in occupants:
                shutil.move(each, aside / each.name)
        _move_in(folder, home, file)
        (home / _MARKER).unlink()
        sync_folder(home)
    return manifest, aside


def refuse_unfinished_restore(home: Path) -> None:
    """Raise `StoreError` when a restore was cut off: the home lacks files."""
    if (home / _MARKER).exists():
        raise StoreError(
            f"{home}: a restore was cut off: repeat `octobot-backend restore --force ARCHIVE`; "
            f"what was there is in {_ASIDE}…"
        )


def _occupants(home: Path, file: Path | None) -> list[Path]:
    """Return what a restore would mix with or overwrite, a database outside the home included."""
    found = [
        each
        for each in sorted(home.iterdir())
        if each.name not in _KEPT and not each.name.startswith((_ASIDE, _STAGING))
    ]
    if file is not None and file.parent != home:
        sides = [file.with_name(file.name + suffix) for suffix in _SIDE_FILES]
        found += [side for side in sides if side.exists()]
    return found


def _require_usable(manifest: Manifest, folder: Path, file: Path | None) -> None:
    """Raise `BackupError` unless the extracted database fits the settings and this version."""
    if manifest.schema is not None and manifest.schema not in known_revisions():
        raise BackupError(
            f"the backup was written by version {manifest.version}, which is newer: install that"
        )
    if DATABASE not in manifest.files:
        return
    if file is None:
        raise BackupError("the backup holds a SQLite database, BACKEND_DATABASE_URL names another")
    copy = folder / DATABASE
    complaint = quick_check(copy)
    if complaint is not None:
        raise BackupError(f"the backup's database is damaged ({complaint})")
    try:
        schema = schema_of(copy)
    except SQLAlchemyError:
        schema = None
    if schema is None or schema != manifest.schema:
        raise BackupError("the backup's database is not of the schema that its manifest names")


def _move_in(folder: Path, home: Path, file: Path | None) -> None:
    for each in sorted(folder.iterdir()):
        target = file if each.name == DATABASE and file is not None else home / each.name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.move(each, target)
        target.chmod(0o700 if target.is_dir() else 0o600)
        sync_folder(target.parent)


@contextmanager
def _staging(home: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix=_STAGING, dir=home) as folder:
        yield Path(folder)


@contextmanager
def _errors_of_writing(home: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackupError(f"{error.filename or home}: {error.strerror or error}") from error
