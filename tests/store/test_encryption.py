"""Cipher: encrypted texts can be decrypted with their keys and for their purpose only."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.fernet import Fernet
from pydantic import SecretStr

from backend.cli.main import main
from backend.credentials import Cipher
from backend.errors import CredentialsUnreadable, EncryptionKeyMissing
from backend.settings.loading import load_settings
from backend.settings.model import SettingsError
from tests.databases import make_settings

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))
CONTENT = {"api_key": "planted key", "api_secret": "planted secret"}


def cipher(home: Path, *keys: str, env: str = "development") -> Cipher:
    given = SecretStr(",".join(keys)) if keys else None
    settings = make_settings(home)
    return Cipher(settings.model_copy(update={"encryption_key": given, "env": env}))


def test_what_was_sealed_opens_and_does_not_show(tmp_path: Path) -> None:
    encrypted = cipher(tmp_path, OLD).encrypt("kraken", CONTENT)
    assert encrypted.startswith("enc:v1:gAAAA")
    assert "planted" not in encrypted
    assert cipher(tmp_path, OLD).decrypt("kraken", encrypted) == CONTENT
    assert cipher(tmp_path, OLD).encrypt("kraken", CONTENT) != encrypted


def test_it_opens_only_for_its_purpose_and_with_its_key(tmp_path: Path) -> None:
    encrypted = cipher(tmp_path, OLD).encrypt("kraken", CONTENT)
    with pytest.raises(CredentialsUnreadable, match="another exchange"):
        cipher(tmp_path, OLD).decrypt("binance", encrypted)
    for broken in (encrypted[:-2] + "AA", "enc:v1:", "enc:v1:ä"):
        with pytest.raises(CredentialsUnreadable, match="BACKEND_ENCRYPTION_KEY lacks"):
            cipher(tmp_path, OLD).decrypt("kraken", broken)
    with pytest.raises(CredentialsUnreadable, match="BACKEND_ENCRYPTION_KEY lacks"):
        cipher(tmp_path, NEW).decrypt("kraken", encrypted)


def test_a_new_key_takes_over_from_an_old_one(tmp_path: Path) -> None:
    encrypted = cipher(tmp_path, OLD).encrypt("kraken", CONTENT)
    both = cipher(tmp_path, NEW, OLD)
    assert both.decrypt("kraken", encrypted) == CONTENT
    rotated = both.rotate(encrypted)
    assert cipher(tmp_path, NEW).decrypt("kraken", rotated) == CONTENT
    with pytest.raises(CredentialsUnreadable):
        cipher(tmp_path, OLD).decrypt("kraken", rotated)


def test_development_makes_a_key_of_its_own_and_keeps_it(tmp_path: Path) -> None:
    with pytest.raises(EncryptionKeyMissing):
        cipher(tmp_path).decrypt("kraken", "enc:v1:x")
    encrypted = cipher(tmp_path).encrypt("kraken", CONTENT)
    assert cipher(tmp_path).decrypt("kraken", encrypted) == CONTENT
    assert stat.S_IMODE((tmp_path / "encryption.key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["encryption.key"]


def test_production_stores_nothing_without_a_key_of_the_setting(tmp_path: Path) -> None:
    cipher(tmp_path).encrypt("kraken", CONTENT)
    with pytest.raises(EncryptionKeyMissing, match="set BACKEND_ENCRYPTION_KEY"):
        cipher(tmp_path, env="production").encrypt("kraken", CONTENT)


def test_the_command_makes_a_key_that_the_setting_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = CliRunner().invoke(main, ["credentials", "new-key"]).output.strip()
    monkeypatch.setenv("BACKEND_ENCRYPTION_KEY", f"{printed}, {OLD}")
    settings = load_settings(_env_file=None)
    assert settings.encryption_key is not None
    assert printed not in repr(settings)


@pytest.mark.parametrize("value", ["short", "a" * 43 + "=,", "ä" * 44])
def test_another_value_is_one_line(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("BACKEND_ENCRYPTION_KEY", value)
    with pytest.raises(SettingsError, match=r"^BACKEND_ENCRYPTION_KEY: keys of `octobot") as caught:
        load_settings(_env_file=None)
    assert value not in str(caught.value)
