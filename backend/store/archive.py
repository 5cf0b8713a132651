"""Archive of a backup: a tar.gz whose first member lists the size and SHA-256 of all others."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

FORMAT = 1
DATABASE = "backend.db"
OCTOBOT = "octobot"
SINGLE_FILES = (DATABASE, "secret.key", "encryption.key", "sandbox.json")
_MANIFEST = "manifest.json"
_MANIFEST_BYTES = 16_000_000
_CHUNK = 1 << 20
_MARGIN_BYTES = 50_000_000


class BackupError(Exception):
    """A backup cannot be made or restored; the text is one line with the reason."""


class Member(NamedTuple):
    """Size and SHA-256 of one file."""

    size: int
    sha256: str


class Manifest(NamedTuple):
    """Contents of an archive, and the versions that wrote it."""

    version: str
    schema: str | None
    created_at: str
    files: Mapping[str, Member]

    def to_json(self) -> bytes:
        """Encode the manifest as the archive's first member holds it."""
        files = {name: member._asdict() for name, member in self.files.items()}
        content = {"format": FORMAT, **self._asdict(), "files": files}
        return json.dumps(content, indent=1).encode()


def write(folder: Path, manifest: Manifest, target: Path) -> None:
    """Write the manifest's files of a folder to a new file with mode 600, synced."""
    descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=6) as archive:
            content = manifest.to_json()
            archive.addfile(_header(_MANIFEST, len(content)), io.BytesIO(content))
            for name, member in manifest.files.items():
                with (folder / name).open("rb") as source:
                    archive.addfile(_header(name, member.size), source)
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> Manifest:
    """Return an archive's manifest; raises `BackupError`."""
    with _opened(path) as archive:
        return _read_manifest(archive, path)


def extract(path: Path, folder: Path) -> Manifest:
    """Write an archive's files into a new, empty folder and return the manifest.

    Raises `BackupError` for an archive that is damaged or was not written by `write`: each
    member is a regular file that the manifest lists, with its size and checksum.
    """
    with _opened(path) as archive:
        manifest = _read_manifest(archive, path)
        _require_space(manifest, folder)
        missing = dict(manifest.files)
        while (member := archive.next()) is not None:
            listed = missing.pop(member.name, None)
            if listed is None or not _is_regular(member) or member.size != listed.size:
                raise BackupError(f"{path} is not a backup: {member.name!r} does not belong in it")
            source = archive.extractfile(member)
            if source is None or _copy(source, folder / member.name) != listed:
                raise BackupError(f"{path} is damaged: {member.name} has another checksum")
        if missing:
            raise BackupError(f"{path} is damaged: {next(iter(missing))} is missing")
    return manifest


def measure(path: Path) -> Member:
    """Return the size and checksum of a file."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return Member(size, digest.hexdigest())


def is_safe_name(name: str) -> bool:
    """Return whether a member's name is one that a backup may write, inside of the home."""
    parts = PurePosixPath(name).parts
    if "\\" in name or "\0" in name or ".." in parts or name != "/".join(parts):
        return False
    return name in SINGLE_FILES or (len(parts) > 1 and parts[0] == OCTOBOT)


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(path, "r:gz") as archive:
            yield archive
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise BackupError(f"{path} is not a backup, or is damaged") from error
    except OSError as error:  # gzip's own error has no number
        reason = error.strerror or "not a backup, or damaged"
        raise BackupError(f"{error.filename or path}: {reason}") from error


def _read_manifest(archive: tarfile.TarFile, path: Path) -> Manifest:
    member = archive.next()
    if member is None or member.name != _MANIFEST or not _is_regular(member):
        raise BackupError(f"{path} is not a backup: it does not begin with a manifest")
    source = archive.extractfile(member)
    if source is None or member.size > _MANIFEST_BYTES:
        raise BackupError(f"{path} is not a backup: its manifest is too large")
    try:
        manifest = _parse(json.loads(source.read()))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BackupError(f"{path} is not a backup: its manifest is not one") from None
    for name in manifest.files:
        if not is_safe_name(name):
            raise BackupError(f"{path} is refused: {name!r} is no name of a backup's file")
    return manifest


def _parse(content: dict[str, Any]) -> Manifest:
    if content["format"] != FORMAT:
        raise BackupError("the backup was written by a newer version")
    files = {
        str(name): Member(int(listed["size"]), str(listed["sha256"]))
        for name, listed in content["files"].items()
    }
    schema = content["schema"]
    return Manifest(
        version=str(content["version"]),
        schema=None if schema is None else str(schema),
        created_at=str(content["created_at"]),
        files=files,
    )


def _require_space(manifest: Manifest, folder: Path) -> None:
    needed = sum(member.size for member in manifest.files.values()) + _MARGIN_BYTES
    if shutil.disk_usage(folder).free < needed:
        raise BackupError(f"{folder.parent}: the backup needs {needed // 1_000_000} MB of space")


def _copy(source: IO[bytes], target: Path) -> Member:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return Member(size, digest.hexdigest())


def _header(name: str, size: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size, header.mode = size, 0o600
    return header


def _is_regular(member: tarfile.TarInfo) -> bool:
    return member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not member.sparse
