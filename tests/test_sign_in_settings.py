"""Settings of passkeys and of signing in with a provider."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.identity.relying_party import relying_party
from backend.settings.describe import describe
from backend.settings.loading import load_settings
from backend.settings.model import Settings, SettingsError

APP_ORIGIN = f"android:apk-key-hash:{'A' * 43}"


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Begin without a .env file."""
    monkeypatch.chdir(tmp_path)


def read(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return load_settings()


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"RP_ID": "127.0.0.1"}, "BACKEND_PASSKEY_RP_ID: a domain"),
        ({"RP_ID": "https://example.org"}, "BACKEND_PASSKEY_RP_ID: a domain"),
        ({"RP_ID": "Example.org"}, "BACKEND_PASSKEY_RP_ID: a domain"),
        (
            {"ORIGINS": "https://example.org"},
            "BACKEND_PASSKEY_RP_ID: BACKEND_PASSKEY_ORIGINS takes",
        ),
        ({"RP_ID": "example.org", "ORIGINS": "https://evil.org"}, "BACKEND_PASSKEY_ORIGINS: https"),
        (
            {"RP_ID": "example.org", "ORIGINS": "https://evilexample.org"},
            "BACKEND_PASSKEY_ORIGINS: https",
        ),
        (
            {"RP_ID": "example.org", "ORIGINS": "http://example.org"},
            "BACKEND_PASSKEY_ORIGINS: https",
        ),
        ({"RP_ID": "example.org", "ORIGINS": "android:x"}, "BACKEND_PASSKEY_ORIGINS: origins such"),
    ],
)
def test_passkeys_of_no_or_another_domain_are_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], message: str
) -> None:
    given = {f"BACKEND_PASSKEY_{name}": value for name, value in variables.items()}
    with pytest.raises(SettingsError) as refused:
        read(monkeypatch, **given)
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    ("values", "domain", "origins"),
    [
        ({}, "localhost", {"https://localhost:8000", "http://localhost:8000"}),
        (
            {"cors_origins": ("http://localhost:3000", "https://app.example.org")},
            "localhost",
            {"https://localhost:8000", "http://localhost:8000", "http://localhost:3000"},
        ),
        (
            {
                "env": "production",
                "passkey_rp_id": "example.org",
                "cors_origins": (
                    "https://app.example.org",
                    "https://evilexample.org",
                    "http://app.example.org",
                ),
            },
            "example.org",
            {"https://example.org", "https://app.example.org"},
        ),
        (
            {
                "passkey_rp_id": "example.org",
                "passkey_origins": (APP_ORIGIN,),
                "cors_origins": ("https://app.example.org",),
            },
            "example.org",
            {APP_ORIGIN},
        ),
    ],
)
def test_passkeys_belong_to_the_domain_and_its_origins(
    values: dict[str, object], domain: str, origins: set[str]
) -> None:
    party = relying_party(Settings(_env_file=None, **values))
    assert party is not None
    assert (party.id, set(party.origins)) == (domain, origins)


def test_production_has_no_passkeys_without_a_domain() -> None:
    assert relying_party(Settings(_env_file=None, env="production")) is None


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"ISSUER": "http://accounts.example"}, "BACKEND_OIDC_ISSUER: an address with https"),
        ({"ISSUER": "https://a:b@example.org"}, "BACKEND_OIDC_ISSUER: an address with https"),
        ({"ISSUER": "https://example.org"}, "BACKEND_OIDC_CLIENT_ID: "),
        ({"SCOPES": "email"}, "BACKEND_OIDC_SCOPES: openid"),
        ({"RETURN_URLS": "http://app.example.org/x"}, "BACKEND_OIDC_RETURN_URLS: addresses"),
        ({"RETURN_URLS": "https://app.example.org/?x=1"}, "BACKEND_OIDC_RETURN_URLS: addresses"),
        ({"RETURN_URLS": "javascript:alert(1)"}, "BACKEND_OIDC_RETURN_URLS: addresses"),
        ({"REDIRECT_URI": "http://example.org/cb"}, "BACKEND_OIDC_REDIRECT_URI: an address"),
    ],
)
def test_a_provider_that_is_not_safe_is_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], message: str
) -> None:
    given = {f"BACKEND_OIDC_{name}": value for name, value in variables.items()}
    with pytest.raises(SettingsError) as refused:
        read(monkeypatch, **given)
    assert str(refused.value).startswith(message)


def test_a_providers_settings_are_read_and_its_secret_is_masked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = read(
        monkeypatch,
        BACKEND_OIDC_ISSUER="https://accounts.google.com",
        BACKEND_OIDC_CLIENT_ID="octobot",
        BACKEND_OIDC_CLIENT_SECRET="not to be shown",
        BACKEND_OIDC_SCOPES="openid, email",
        BACKEND_OIDC_RETURN_URLS="https://app.example.org/in,org.example.app:/in",
    )
    assert settings.oidc_scopes == ("openid", "email")
    assert settings.oidc_return_urls == ("https://app.example.org/in", "org.example.app:/in")
    shown = dict(describe(settings))
    assert shown["BACKEND_OIDC_CLIENT_SECRET"] == "********"
    assert "not to be shown" not in str(shown)
