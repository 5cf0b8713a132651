"""Backup and restore: what is in the archive, what is refused, and that nothing is lost by it."""

from __future__ import annotations

import hashlib
import io
import json
import resource
import shutil
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from backend.settings.model import Settings
from backend.store import HomeLock, HomeLocked, StoreError
from backend.store.archive import BackupError
from backend.store.backup import back_up
from backend.store.restore import refuse_unfinished_restore, restore
from tests.databases import make_settings
from tests.store.damage import PAGE, overwrite_page

FILES = {
    "secret.key": "signs",
    "encryption.key": "encrypts",
    "sandbox.json": "{}",
    "octobot/user/config.json": "{}",
    "octobot/tentacles/Trading/mode.py": "A = 1",
    "octobot/logs/OctoBot.log": "not needed",
    "logs/backend.log": "not needed",
    "lock": "",
}
KEPT = {name for name in FILES if "logs" not in name and name != "lock"} | {"backend.db"}


@pytest.fixture
def settings(tmp_path: Path, migrated_file: Path) -> Settings:
    home = tmp_path / "home"
    for name, content in FILES.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(content)
    shutil.copy(migrated_file, home)
    return make_settings(home)


@pytest.fixture
def archive(settings: Settings, tmp_path: Path) -> Path:
    return back_up(settings, tmp_path / "backup.tar.gz")


@pytest.fixture
def empty(tmp_path: Path) -> Settings:
    return make_settings(tmp_path / "empty")


def files_in(folder: Path) -> set[str]:
    return {str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file()}


def test_a_restored_home_has_the_files_of_the_backup(
    archive: Path, settings: Settings, empty: Settings
) -> None:
    manifest, aside = restore(empty, archive)
    assert aside is None
    assert files_in(empty.home) == KEPT | {"lock"}
    assert set(manifest.files) == KEPT
    for name in KEPT - {"backend.db"}:
        assert (empty.home / name).read_text() == FILES[name]
    modes = {(empty.home / name).stat().st_mode & 0o777 for name in KEPT}
    assert modes == {0o600}
    assert archive.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in settings.home.parent.iterdir() if each.name[0] == "."] == []


def test_in_a_folder_a_backup_is_named_after_the_time(settings: Settings, tmp_path: Path) -> None:
    path = back_up(settings, tmp_path)
    assert path.parent == tmp_path
    assert path.name.startswith("octobot-backend-20")
    assert path.name.endswith("Z.tar.gz")


def test_the_encryption_key_can_be_left_out(settings: Settings, tmp_path: Path) -> None:
    path = back_up(settings, tmp_path / "b", encryption_key=False)
    with tarfile.open(path) as opened:
        assert set(opened.getnames()) == (KEPT - {"encryption.key"}) | {"manifest.json"}


def test_an_existing_file_is_not_overwritten(settings: Settings, archive: Path) -> None:
    before = archive.read_bytes()
    with pytest.raises(BackupError, match="exists already"):
        back_up(settings, archive)
    assert archive.read_bytes() == before


def test_a_damaged_database_makes_no_backup(settings: Settings, tmp_path: Path) -> None:
    file = settings.home / "backend.db"
    overwrite_page(file, file.stat().st_size // PAGE - 1)
    with pytest.raises(BackupError, match=r"damaged|malformed"):
        back_up(settings, tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_a_full_disk_leaves_nothing_behind(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (PAGE, before[1]))
    try:
        with pytest.raises(BackupError) as refused:
            back_up(settings, folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "\n" not in str(refused.value)
    assert list(folder.iterdir()) == []


def test_postgresql_is_left_to_pg_dump(tmp_path: Path, settings: Settings) -> None:
    home = settings.home
    on_server = make_settings(home, database_url="postgresql://nobody@/none")
    with pytest.raises(BackupError, match="pg_dump"):
        back_up(on_server, tmp_path / "b")
    path = back_up(on_server, tmp_path / "b", database=False)
    other = make_settings(tmp_path / "other", database_url="postgresql://nobody@/none")
    manifest, _ = restore(other, path)
    assert (manifest.schema, "backend.db" in manifest.files) == (None, False)
    with pytest.raises(BackupError, match="BACKEND_DATABASE_URL"):
        restore(other, back_up(settings, tmp_path / "c"), force=True)


def test_a_home_with_files_is_moved_aside_only_when_forced(
    archive: Path, settings: Settings
) -> None:
    (settings.home / "secret.key").write_text("newer")
    with pytest.raises(BackupError, match="--force"):
        restore(settings, archive)
    assert (settings.home / "secret.key").read_text() == "newer"
    _, aside = restore(settings, archive, force=True)
    assert aside is not None
    assert (settings.home / "secret.key").read_text() == "signs"
    assert (aside / "secret.key").read_text() == "newer"
    assert (aside / "backend.db").exists()
    refuse_unfinished_restore(settings.home)


def test_a_database_elsewhere_is_restored_there(archive: Path, tmp_path: Path) -> None:
    file = tmp_path / "elsewhere" / "other.db"
    settings = make_settings(tmp_path / "new", database_url=f"sqlite:///{file}")
    restore(settings, archive)
    assert not (settings.home / "backend.db").exists()
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM users").fetchone() == (0,)


def test_a_home_in_use_is_refused(archive: Path, empty: Settings) -> None:
    with closing(HomeLock(empty.home)), pytest.raises(HomeLocked):
        restore(empty, archive)


def test_a_cut_off_restore_stops_the_start(archive: Path, empty: Settings) -> None:
    empty.home.mkdir()
    (empty.home / "restore-unfinished").touch()
    with pytest.raises(StoreError, match="restore --force"):
        refuse_unfinished_restore(empty.home)
    restore(empty, archive, force=True)
    refuse_unfinished_restore(empty.home)


def rewritten(archive: Path, change: Callable[[dict[str, bytes], dict[str, object]], None]) -> Path:
    """Return a copy of an archive with other contents and another manifest."""
    with tarfile.open(archive) as opened:
        contents = {m.name: opened.extractfile(m).read() for m in opened}
    manifest = json.loads(contents.pop("manifest.json"))
    change(contents, manifest)
    copy = archive.with_name("changed.tar.gz")
    with tarfile.open(copy, "w:gz") as made:
        for name, content in {"manifest.json": json.dumps(manifest).encode(), **contents}.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            made.addfile(header, io.BytesIO(content))
    return copy


def listed(content: bytes) -> dict[str, object]:
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


@pytest.mark.parametrize(
    "name",
    ["/etc/cron.d/x", "../x", "octobot/../../x", "octobot/./x", "octobot\\..\\x", "logs/x", "x"],
)
def test_names_that_lead_elsewhere_are_refused(archive: Path, empty: Settings, name: str) -> None:
    def add(contents: dict[str, bytes], manifest: dict[str, object]) -> None:
        contents[name] = b"evil"
        manifest["files"][name] = listed(b"evil")

    with pytest.raises(BackupError, match="no name of a backup's file"):
        restore(empty, rewritten(archive, add))
    assert files_in(empty.home) == {"lock"}
    assert not (empty.home.parent / "x").exists()


def test_a_file_that_is_not_listed_is_refused(archive: Path, empty: Settings) -> None:
    with pytest.raises(BackupError, match="does not belong"):
        restore(empty, rewritten(archive, lambda contents, _: contents.update({"octobot/x": b""})))
    assert files_in(empty.home) == {"lock"}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(archive: Path, empty: Settings, kind: bytes) -> None:
    copy = archive.with_name("linked.tar.gz")
    with tarfile.open(archive) as opened, tarfile.open(copy, "w:gz") as made:
        for member in opened:
            content = opened.extractfile(member)
            if member.name == "secret.key":
                member.type, member.linkname, member.size = kind, "/etc/passwd", 0
            made.addfile(member, content)
    with pytest.raises(BackupError, match="does not belong"):
        restore(empty, copy)
    assert files_in(empty.home) == {"lock"}


def test_another_checksum_is_refused(archive: Path, empty: Settings) -> None:
    with pytest.raises(BackupError, match=r"secret\.key has another checksum"):
        restore(empty, rewritten(archive, lambda files, _: files.update({"secret.key": b"SIGNS"})))
    assert files_in(empty.home) == {"lock"}


def test_a_missing_file_is_refused(archive: Path, empty: Settings) -> None:
    with pytest.raises(BackupError, match=r"secret\.key is missing"):
        restore(empty, rewritten(archive, lambda files, _: files.pop("secret.key")))


def test_a_newer_schema_is_refused(archive: Path, empty: Settings) -> None:
    newer = rewritten(archive, lambda _, manifest: manifest.update({"schema": "9999"}))
    with pytest.raises(BackupError, match="newer"):
        restore(empty, newer)


@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, 0.99])
def test_a_torn_archive_is_refused(archive: Path, empty: Settings, kept: float) -> None:
    whole = archive.read_bytes()
    archive.write_bytes(whole[: kept if isinstance(kept, int) else int(len(whole) * kept)])
    with pytest.raises(BackupError):
        restore(empty, archive)
    assert files_in(empty.home) == {"lock"}


@pytest.mark.parametrize("content", [b"", b"no archive", b"{}"])
def test_something_else_is_refused(tmp_path: Path, empty: Settings, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(BackupError):
        restore(empty, tmp_path / "x")
    with pytest.raises(BackupError, match="No such file"):
        restore(empty, tmp_path / "none")
