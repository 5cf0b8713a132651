"""Rotation of the signing key: previous keys still verify, removed ones do not."""

from __future__ import annotations

from pathlib import Path

import jwt
import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from backend.cli.main import main
from backend.errors import InvalidToken
from backend.identity.signing_keys import rotate_stored_key, signing_keys
from backend.settings.loading import load_settings
from backend.settings.model import SettingsError
from tests.databases import make_settings
from tests.identity_app import NOWHERE, PASSWORD, SECRET, StartIdentity

NEW = "another secret that is only used in tests"


def kid(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def test_tokens_of_the_previous_key_stay_good_and_new_ones_bear_the_new_key(
    start_identity: StartIdentity,
) -> None:
    before = start_identity()
    before.users.create("trader", PASSWORD, "trader")
    old = before.login("trader", PASSWORD, *NOWHERE)
    after = start_identity(
        secret_key=SecretStr(NEW), previous_secret_keys=SecretStr(f"{'x' * 32}, {SECRET}")
    )
    assert after.verify_access_token(old.access_token).username == "trader"
    new = after.refresh(old.refresh_token, *NOWHERE)
    assert kid(new.access_token) != kid(old.access_token)
    assert after.verify_access_token(new.access_token).username == "trader"
    with pytest.raises(InvalidToken):
        before.verify_access_token(new.access_token)


def test_a_key_that_is_gone_opens_nothing_but_sessions_go_on(
    start_identity: StartIdentity,
) -> None:
    before = start_identity()
    before.users.create("trader", PASSWORD, "trader")
    old = before.login("trader", PASSWORD, *NOWHERE)
    after = start_identity(secret_key=SecretStr(NEW))
    with pytest.raises(InvalidToken):
        after.verify_access_token(old.access_token)
    new = after.refresh(old.refresh_token, *NOWHERE)
    assert after.verify_access_token(new.access_token).username == "trader"


def test_a_key_does_not_vouch_for_tokens_under_the_name_of_another(
    start_identity: StartIdentity,
) -> None:
    identity = start_identity(previous_secret_keys=SecretStr(NEW))
    identity.users.create("trader", PASSWORD, "trader")
    token = identity.login("trader", PASSWORD, *NOWHERE).access_token
    claims = jwt.decode(token, options={"verify_signature": False})
    forged = jwt.encode(claims, NEW, "HS256", headers={"kid": kid(token)})
    with pytest.raises(InvalidToken):
        identity.verify_access_token(forged)


def test_the_kept_key_is_rotated_by_the_command(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    (first,) = signing_keys(settings)
    environment = {"BACKEND_HOME": str(tmp_path)}
    rotated = CliRunner().invoke(main, ["secret-key", "rotate"], env=environment)
    assert rotated.exit_code == 0, rotated.output
    second, kept = signing_keys(settings)
    assert (kept, second == first) == (first, False)
    assert (tmp_path / "secret.key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]
    rotate_stored_key(settings)
    assert [key.id for key in signing_keys(settings)][1:] == [second.id]
    assert first.secret not in rotated.output + second.secret


def test_a_key_of_the_setting_is_not_rotated_by_the_command(tmp_path: Path) -> None:
    environment = {"BACKEND_HOME": str(tmp_path), "BACKEND_SECRET_KEY": SECRET}
    refused = CliRunner().invoke(main, ["secret-key", "rotate"], env=environment)
    assert refused.exit_code == 2
    assert "BACKEND_PREVIOUS_SECRET_KEYS" in refused.stderr
    assert SECRET not in refused.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PREVIOUS_SECRET_KEYS", "too short"),
        ("PREVIOUS_SECRET_KEYS", f"{SECRET},short"),
        ("SMTP_URL", "http://example.org"),
        ("SMTP_URL", "smtps://a b@example.org"),
        ("SMTP_URL", "smtps://user:p/w@example.org"),
        ("MAIL_FROM", "no address"),
        ("REGISTRATION", "true"),
    ],
)
def test_what_does_not_fit_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(f"BACKEND_{name}", value)
    with pytest.raises(SettingsError, match=f"^BACKEND_{name}: ") as refused:
        load_settings()
    assert "p/w" not in str(refused.value)


def test_a_mail_server_takes_a_sender(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BACKEND_SMTP_URL", "smtps://user:p%40ss@mail.example.org:465")
    with pytest.raises(SettingsError, match=r"^BACKEND_MAIL_FROM: "):
        load_settings()
