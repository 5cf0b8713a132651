"""Settings: read from variables, refused with one line, shown without secrets."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from backend.settings.describe import describe
from backend.settings.loading import load_settings
from backend.settings.model import Settings, SettingsError

STRONG = {"BACKEND_ENV": "production", "BACKEND_ADMIN_PASSWORD": "correct horse battery"}


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Begin without a .env file."""
    monkeypatch.chdir(tmp_path)


def read(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return load_settings()


def test_the_defaults_are_a_paper_bot_on_this_machine() -> None:
    settings = load_settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert (settings.exchange, settings.trading) == (("sandbox",), "paper")
    assert settings.paper_balance == {"USDT": Decimal(10000), "BTC": Decimal(1)}
    assert settings.home == Path.cwd() / "instance"


def test_variables_and_a_file_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("BACKEND_PORT=9000\nBACKEND_SYMBOLS=btc-usdt, eth/usdt\n")
    settings = read(monkeypatch, BACKEND_PORT="9001", BACKEND_PAPER_BALANCE="usdt=5, btc=0.1")
    assert settings.port == 9001
    assert settings.symbols == ("BTC/USDT", "ETH/USDT")
    assert settings.paper_balance == {"USDT": Decimal(5), "BTC": Decimal("0.1")}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BACKEND_ENV", "test"),
        ("BACKEND_PORT", "65536"),
        ("BACKEND_SECRET_KEY", "short"),
        ("BACKEND_ADMIN_USERNAME", "two words"),
        ("BACKEND_ADMIN_PASSWORD", "short"),
        ("BACKEND_EXCHANGE", "no exchange"),
        ("BACKEND_EXCHANGE", ","),
        ("BACKEND_SYMBOLS", "bitcoin"),
        ("BACKEND_TRADING", "play"),
        ("BACKEND_PAPER_BALANCE", "USDT"),
        ("BACKEND_PAPER_BALANCE", "USDT=NaN"),
        ("BACKEND_PAPER_BALANCE", "USDT=-1"),
        ("BACKEND_CORS_ORIGINS", "example.org"),
        ("BACKEND_RATE_LIMIT_TRADE", "ten"),
        ("BACKEND_RATE_LIMIT_STORAGE", "file:///x"),
        ("BACKEND_TOKEN_EXPIRY", "0"),
        ("BACKEND_TRUSTED_PROXIES", "many"),
        ("BACKEND_TRUSTED_PROXIES", "-1"),
        ("BACKEND_TRUSTED_PROXIES", "127.0.0.1,10.0.0.1/8"),
        ("BACKEND_METRICS_TOKEN", "short"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        read(monkeypatch, **{name: value})
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{name}: ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BACKEND_CORS_ORIGINS", "*"),
        ("BACKEND_RATE_LIMIT_ENABLED", "false"),
        ("BACKEND_ADMIN_PASSWORD", "0123456789"),
        ("BACKEND_ADMIN_PASSWORD", "the Admin is me"),
        ("BACKEND_ADMIN_PASSWORD", "password1234"),
        ("BACKEND_ADMIN_PASSWORD", "Change-me-123456"),
        ("BACKEND_SECRET_KEY", "a" * 64),
        ("BACKEND_SECRET_KEY", "change-me-" * 4),
        ("BACKEND_METRICS_TOKEN", "metricsmetricsmetrics"),
        ("BACKEND_PREVIOUS_SECRET_KEYS", "Jx0q7V2bY9mK4tLw8ZsR3dPfHc6NgUaE," + "k" * 40),
        ("BACKEND_ENCRYPTION_KEY", "A" * 43 + "="),
        ("BACKEND_HOST", "0.0.0.0"),
        ("BACKEND_HOST", "::"),
        ("BACKEND_HOST", "192.0.2.1"),
        ("BACKEND_HOST", "bot.example.org"),
    ],
)
def test_production_refuses_what_is_weak(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    weak = {name: value}
    assert read(monkeypatch, **weak).env == "development"
    with pytest.raises(SettingsError, match=f"^{name}: "):
        read(monkeypatch, **STRONG | weak)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"BACKEND_HOST": "localhost"},
        {"BACKEND_HOST": "::1"},
        {"BACKEND_HOST": "0.0.0.0", "BACKEND_ALLOW_PLAIN_HTTP": "true"},
        {"BACKEND_HOST": "::", "BACKEND_TLS_CERT": "cert.pem", "BACKEND_TLS_KEY": "key.pem"},
        {"BACKEND_SECRET_KEY": "Jx0q7V2bY9mK4tLw8ZsR3dPfHc6NgUaE"},
        {"BACKEND_METRICS_TOKEN": "c1f0b2e79a6d4835"},
    ],
)
def test_production_takes_what_is_strong(
    monkeypatch: pytest.MonkeyPatch, more: dict[str, str]
) -> None:
    assert read(monkeypatch, **STRONG | more).env == "production"


def test_who_is_remembered_is_not_forgotten_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"^BACKEND_REMEMBER_EXPIRY: at least BACKEND_REFRESH"):
        read(monkeypatch, BACKEND_REMEMBER_EXPIRY="3600")
    assert read(monkeypatch, BACKEND_REFRESH_EXPIRY="3600").remember_expiry == 3600
    monkeypatch.delenv("BACKEND_REMEMBER_EXPIRY")
    assert read(monkeypatch, BACKEND_REFRESH_EXPIRY="31536000").refresh_expiry == 31_536_000


@pytest.mark.parametrize("name", ["BACKEND_TLS_CERT", "BACKEND_TLS_KEY"])
def test_a_certificate_and_its_key_go_together(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    other = {"BACKEND_TLS_CERT": "BACKEND_TLS_KEY", "BACKEND_TLS_KEY": "BACKEND_TLS_CERT"}[name]
    with pytest.raises(SettingsError, match=f"^{other}: "):
        read(monkeypatch, **{name: "file.pem"})


def test_proxies_are_counted_or_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, BACKEND_TRUSTED_PROXIES="2").trusted_proxies == 2
    named = read(monkeypatch, BACKEND_TRUSTED_PROXIES="127.0.0.1, 10.0.0.0/8, ::1")
    assert list(map(str, named.trusted_proxies)) == ["127.0.0.1/32", "10.0.0.0/8", "::1/128"]
    assert dict(describe(named))["BACKEND_TRUSTED_PROXIES"] == "127.0.0.1/32,10.0.0.0/8,::1/128"


def test_secrets_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(
        monkeypatch,
        BACKEND_SECRET_KEY="k" * 32,
        BACKEND_ADMIN_PASSWORD="a secret password",
        BACKEND_METRICS_TOKEN="a secret password too",
        BACKEND_DATABASE_URL="postgresql://user:hidden@host/name",
        BACKEND_RATE_LIMIT_STORAGE="redis://user:hidden@host:6379/1",
    )
    shown = dict(describe(settings))
    assert shown["BACKEND_RATE_LIMIT_STORAGE"] == "redis://********@host:6379/1"
    assert shown["BACKEND_SECRET_KEY"] == shown["BACKEND_DATABASE_URL"] == "********"
    assert shown["BACKEND_RATE_LIMIT_ENABLED"] == "true"
    assert shown["BACKEND_PAPER_BALANCE"] == "USDT=10000,BTC=1"
    assert "hidden" not in str(shown)
    assert "a secret password" not in str(shown)


def test_futures_begin_with_contracts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKEND_EXCHANGE_TYPE", "future")
    assert load_settings().symbols == ("BTC/USDT:USDT", "ETH/USDT:USDT")
    monkeypatch.setenv("BACKEND_SYMBOLS", "sol-usdt:usdt")
    assert load_settings().symbols == ("SOL/USDT:USDT",)


@pytest.mark.parametrize(
    ("kind", "symbols"),
    [("future", "BTC/USDT"), ("future", "BTC/USD:BTC"), ("spot", "BTC/USDT:USDT")],
)
def test_symbols_fit_the_exchange_type(
    monkeypatch: pytest.MonkeyPatch, kind: str, symbols: str
) -> None:
    monkeypatch.setenv("BACKEND_EXCHANGE_TYPE", kind)
    monkeypatch.setenv("BACKEND_SYMBOLS", symbols)
    with pytest.raises(SettingsError, match="with BACKEND_EXCHANGE_TYPE=future"):
        load_settings()


@pytest.mark.parametrize(
    "variable",
    [
        "EXCHANGE",
        "ENCRYPTION_KEY",
        "PREVIOUS_SECRET_KEYS",
        "TLS_CERT",
        "RISK_MAX_DAILY_LOSS",
        "PORT",
    ],
)
def test_an_empty_variable_is_as_if_it_were_not_set(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    assert read(monkeypatch, **{f"BACKEND_{variable}": ""}) == read(monkeypatch)
