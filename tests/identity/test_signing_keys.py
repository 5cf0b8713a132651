"""The signing key: generated once, private, written atomically."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from backend.identity.signing_keys import SigningKey, signing_keys
from backend.settings.model import SettingsError
from tests.databases import make_settings


def test_a_key_is_made_once_and_kept_for_its_owner_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    first = signing_keys(make_settings(home))[0]
    assert signing_keys(make_settings(home))[0] == first
    assert len(first.secret) >= 43
    assert [path.name for path in home.iterdir()] == ["secret.key"]
    assert (home / "secret.key").stat().st_mode & 0o777 == 0o600


def test_two_homes_have_two_keys(tmp_path: Path) -> None:
    one, other = (
        signing_keys(make_settings(tmp_path / "a"))[0],
        signing_keys(make_settings(tmp_path / "b"))[0],
    )
    assert one.secret != other.secret
    assert one.id != other.id


def test_the_setting_wins_and_leaves_no_file(tmp_path: Path) -> None:
    secret = "given by the one who runs the server"
    assert signing_keys(make_settings(tmp_path, secret_key=secret))[0].secret == secret
    assert list(tmp_path.iterdir()) == []


def test_a_readable_key_file_is_closed(tmp_path: Path) -> None:
    secret = signing_keys(make_settings(tmp_path))[0].secret
    (tmp_path / "secret.key").chmod(0o644)
    assert signing_keys(make_settings(tmp_path))[0].secret == secret
    assert (tmp_path / "secret.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"too short", b"\xff" * 64])
def test_a_damaged_key_file_stops_the_start(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secret.key").write_bytes(content)
    with pytest.raises(SettingsError, match=r"^BACKEND_SECRET_KEY: .*secret\.key"):
        signing_keys(make_settings(tmp_path))[0]


def test_starters_that_race_agree_on_one_key(tmp_path: Path) -> None:
    barrier = threading.Barrier(8)
    found: list[SigningKey] = []

    def start() -> None:
        barrier.wait()
        found.append(signing_keys(make_settings(tmp_path))[0])

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len({key.secret for key in found}) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


def test_the_secret_is_not_in_the_keys_repr(tmp_path: Path) -> None:
    key = signing_keys(make_settings(tmp_path))[0]
    assert key.secret not in repr(key)
    assert key.secret not in key.id
