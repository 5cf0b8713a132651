"""Typed settings from BACKEND_* variables and a .env file, checked once at start."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    Field,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import NoDecode, SettingsConfigDict

from backend.schemas.auth import Role
from backend.schemas.common import capitals_unless_mixed, is_asset, parse_symbol
from backend.settings.rate_limits import RateLimitSettings
from backend.settings.sign_in import SignInSettings
from backend.settings.types import (
    FernetKeys,
    MailServer,
    Proxies,
    SecretKeys,
    SyslogAddress,
)

MAX_TOKEN_EXPIRY_S = 86_400
_CONTRACT = re.compile(r"[^/]+/([^:]+):\1(-[^:]+)?")
_PAIR = re.compile(r"[^:]+")


class SettingsError(Exception):
    """A setting has an invalid value; the text is one line that names it and its valid values."""


class Settings(SignInSettings, RateLimitSettings):
    """The backend's settings, each read from one BACKEND_* variable."""

    model_config = SettingsConfigDict(
        env_prefix="BACKEND_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        validate_default=True,
    )

    env: Literal["development", "production"] = "development"
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    home: Path = Field(Path("instance"), description="folder for database, keys, OctoBot, logs")
    database_url: SecretStr | None = Field(
        None, description="SQLAlchemy URL; SQLite in home if unset"
    )
    secret_key: SecretStr | None = Field(
        None, min_length=32, description="signs tokens; kept in home"
    )
    previous_secret_keys: SecretKeys | None = Field(
        None, description="keys that signed tokens before, comma-separated"
    )
    smtp_url: MailServer | None = Field(
        None, description="mail server: smtps://user:password@host, or smtp:// for STARTTLS"
    )
    mail_from: str | None = Field(
        None, pattern=r"^[^@\s<>]{1,64}@[A-Za-z0-9.-]{1,253}$", description="sender of mails"
    )
    registration: bool = Field(False, description="let anybody with an address register")
    require_second_factor: Annotated[tuple[Role, ...], NoDecode] = Field(
        (), description="roles that have to set up a second factor before anything else"
    )
    encryption_key: FernetKeys | None = Field(
        None, description="encrypts stored exchange keys; newest of several first"
    )
    admin_username: str = Field("admin", pattern=r"^[A-Za-z0-9_.@-]{1,64}$")
    admin_password: SecretStr | None = Field(
        None, min_length=10, description="first admin's password"
    )
    exchange: Annotated[tuple[str, ...], NoDecode] = Field(("sandbox",), min_length=1)
    exchange_type: Literal["spot", "future"] = "spot"
    symbols: Annotated[tuple[str, ...], NoDecode] = Field(("BTC/USDT", "ETH/USDT"), min_length=1)
    trading: Literal["paper", "real"] = "paper"
    paper_balance: Annotated[dict[str, Decimal], NoDecode] = Field(
        {"USDT": Decimal(10000), "BTC": Decimal(1)}, min_length=1
    )
    paper_fill: Literal["last", "top", "book"] = "last"
    paper_latency: int = Field(
        0, ge=0, le=10_000, description="milliseconds before a paper order meets the market"
    )
    paper_slippage: Decimal = Field(
        Decimal(0), ge=0, le=1000, description="basis points by which paper prices are worse"
    )
    sandbox_seed: int = Field(
        1, ge=0, le=2**32 - 1, description="seed of the sandbox's price paths"
    )
    sandbox_speed: float = Field(1.0, gt=0, le=1000, description="how fast sandbox prices move")
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    token_expiry: int = Field(
        3600, ge=1, le=MAX_TOKEN_EXPIRY_S, description="access token's life in seconds"
    )
    refresh_expiry: int = Field(
        86400, ge=1, le=31_536_000, description="refresh token's life in seconds"
    )
    remember_expiry: int = Field(
        2_592_000, ge=1, le=31_536_000, description="the same of logins that ask to be remembered"
    )
    session_lifetime: int = Field(
        31_536_000, ge=1, le=315_360_000, description="seconds after which a session ends"
    )
    refresh_grace: int = Field(
        30, ge=0, le=300, description="seconds that a spent refresh token gives its successor again"
    )
    trusted_proxies: Annotated[Proxies, NoDecode] = Field(
        0, description="reverse proxies in front: how many, or their addresses"
    )
    tls_cert: Path | None = Field(None, description="certificate chain, PEM; serves HTTPS")
    tls_key: Path | None = Field(None, description="the certificate's key, PEM")
    allow_plain_http: bool = Field(
        False, description="in production, plain HTTP for others than this machine"
    )
    log_targets: Annotated[tuple[Literal["file", "stdout", "syslog"], ...], NoDecode] = Field(
        ("file",), min_length=1, description="where log lines go: file, stdout, syslog"
    )
    syslog_address: SyslogAddress = Field(
        "/dev/log", description="the syslog's socket, or host:port for UDP"
    )
    metrics_token: SecretStr | None = Field(
        None, min_length=16, description="bearer token of /metrics; only this machine if unset"
    )
    stream_heartbeat: float = Field(
        15.0, gt=0, le=60, description="seconds between stream heartbeats"
    )
    stream_buffer: int = Field(
        10_000, ge=100, le=1_000_000, description="events kept for resuming streams"
    )
    stream_retention: int = Field(
        30, ge=1, le=3650, description="days that journalled events are kept for resuming"
    )
    stream_clients: int = Field(
        10_000, ge=1, le=1_000_000, description="streams open at once, in all"
    )
    stream_clients_per_user: int = Field(
        100, ge=1, le=1_000_000, description="streams open at once, of one user"
    )
    socket_clients: int = Field(
        1000, ge=1, le=100_000, description="WebSockets open at once, in all"
    )
    max_connections: int | None = Field(
        None, ge=1, le=1_000_000, description="connections open at once, streams among them"
    )
    max_connections_per_address: int | None = Field(
        None, ge=1, le=1_000_000, description="connections open at once, of one address"
    )
    bot_timeout: float = Field(
        10.0, gt=0, le=120, description="seconds a request waits for the bot"
    )
    price_max_age: float = Field(
        60.0, gt=0, le=3600, description="seconds for which a price counts without confirmation"
    )
    bot_queue: int = Field(
        1024, ge=2, le=100_000, description="requests that wait for the bot at once, at most"
    )
    bot_lag: float = Field(
        0.2, ge=0, le=10, description="seconds that the bot may be late before reads wait; 0: any"
    )
    share_core: bool = Field(
        True, description="keep what shares the interpreter on one processor core (Linux)"
    )
    snapshot_interval: float = Field(
        60.0, gt=0, le=86_400, description="seconds between the portfolio's kept values"
    )
    snapshot_retention: int = Field(
        365, ge=1, le=36_500, description="days that these are kept; older ones get sparser"
    )
    risk_max_order_value: Decimal | None = Field(
        None, gt=0, allow_inf_nan=False, description="largest order, in the reference market"
    )
    risk_max_open_orders: int | None = Field(None, ge=0, description="most orders open at once")
    risk_symbols: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="the only symbols that may be traded; all if unset"
    )
    risk_max_daily_loss: Decimal | None = Field(
        None, gt=0, allow_inf_nan=False, description="loss of a day (UTC) that pauses trading"
    )
    octobot_community: bool = Field(False, description="let OctoBot contact its own servers")

    @model_validator(mode="before")
    @classmethod
    def _symbols_of_the_type(cls, values: dict[str, object]) -> dict[str, object]:
        if values.get("exchange_type") == "future":
            return {"symbols": ("BTC/USDT:USDT", "ETH/USDT:USDT"), **values}
        return values

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()  # OctoBot needs a working directory of its own

    @field_validator(
        *("exchange", "symbols", "risk_symbols", "cors_origins", "require_second_factor"),
        "log_targets",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @model_validator(mode="after")
    def _mail_complete(self) -> Settings:
        if self.smtp_url is not None and self.mail_from is None:
            raise ValueError("BACKEND_MAIL_FROM: BACKEND_SMTP_URL takes a sender's address")
        if self.registration and self.smtp_url is None:
            raise ValueError("BACKEND_REGISTRATION: registering takes mails, BACKEND_SMTP_URL")
        return self

    @model_validator(mode="after")
    def _remembered_longer(self) -> Settings:
        is_given = "remember_expiry" in self.model_fields_set
        if is_given and self.remember_expiry < self.refresh_expiry:
            raise ValueError("BACKEND_REMEMBER_EXPIRY: at least BACKEND_REFRESH_EXPIRY")
        return self

    @field_validator("exchange")
    @classmethod
    def _exchange_ids(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not re.fullmatch(r"[a-z0-9_]{1,32}", name):
                raise ValueError("ccxt exchange ids, comma-separated")
        return value

    @field_validator("symbols", "risk_symbols")
    @classmethod
    def _symbols(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(parse_symbol(symbol) for symbol in value))

    @field_validator("paper_balance", mode="before")
    @classmethod
    def _balances(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [part.partition("=") for part in value.split(",") if part.strip()]
        return {capitals_unless_mixed(asset.strip()): amount.strip() for asset, _, amount in pairs}

    @field_validator("paper_balance")
    @classmethod
    def _balances_positive(cls, value: dict[str, Decimal]) -> dict[str, Decimal]:
        for asset, amount in value.items():
            if not is_asset(asset) or not amount.is_finite() or amount < 0:
                raise ValueError("asset=amount pairs, comma-separated, as in USDT=10000,BTC=1")
        return value

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if origin != "*" and not re.fullmatch(r"https?://[A-Za-z0-9.\-\[\]:]{1,255}", origin):
                raise ValueError("origins such as https://app.example.org, comma-separated")
        return value

    @model_validator(mode="after")
    def _tls_pair(self) -> Settings:
        if (self.tls_cert is None) != (self.tls_key is None):
            missing = "TLS_CERT" if self.tls_cert is None else "TLS_KEY"
            raise ValueError(f"BACKEND_{missing}: a certificate and its key go together")
        return self

    @model_validator(mode="after")
    def _symbols_fit_the_type(self) -> Settings:
        is_future = self.exchange_type == "future"
        fits = _CONTRACT.fullmatch if is_future else _PAIR.fullmatch
        if not all(map(fits, self.symbols)):
            raise ValueError(
                "BACKEND_SYMBOLS: with BACKEND_EXCHANGE_TYPE=future, contracts such as"
                " BTC/USDT:USDT, settled in their quote asset; with spot, pairs such as BTC/USDT"
            )
        return self
