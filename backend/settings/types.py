"""Value types of settings, parsed from text."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

MIN_KEY_LENGTH = 32
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _rate(value: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]{0,6}/(second|minute|hour|day)", value):
        raise ValueError("a count per second, minute, hour or day, as in 10/minute")
    return value


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise ValueError(
            "how many proxies are in front, or their addresses, as in 127.0.0.1,10.0.0.0/8"
        ) from None


def _proxies(value: object) -> object:
    if not isinstance(value, str) or value.strip().isdecimal():
        return value
    return tuple(_network(part.strip()) for part in value.split(",") if part.strip())


def _secret_keys(value: SecretStr) -> SecretStr:
    if any(len(key.strip()) < MIN_KEY_LENGTH for key in value.get_secret_value().split(",")):
        raise ValueError(f"keys of at least {MIN_KEY_LENGTH} characters, comma-separated")
    return value


def _fernet_keys(value: SecretStr) -> SecretStr:
    keys = value.get_secret_value().split(",")
    if not all(re.fullmatch(r"[A-Za-z0-9_-]{43}=", key.strip()) for key in keys):
        raise ValueError("keys of `octobot-backend credentials new-key`, comma-separated")
    return value


def _mail_server(value: SecretStr) -> SecretStr:
    if not re.fullmatch(
        r"smtps?://([^\s/@]+@)?[A-Za-z0-9.-]+(:\d{1,5})?/?", value.get_secret_value()
    ):
        raise ValueError("smtps://user:password@host:465, or smtp://host:587 for STARTTLS")
    return value


def _syslog_address(value: str) -> str:
    if not re.fullmatch(r"/\S{1,100}|(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]{1,253}):[0-9]{1,5}", value):
        raise ValueError("a socket as in /dev/log, or host:port for UDP")
    return value


Rate = Annotated[str, AfterValidator(_rate)]
"""A rate, as in 10/minute."""

SecretKeys = Annotated[SecretStr, AfterValidator(_secret_keys)]
"""Keys that signed tokens, comma-separated."""

FernetKeys = Annotated[SecretStr, AfterValidator(_fernet_keys)]
"""Fernet keys, comma-separated."""

MailServer = Annotated[SecretStr, AfterValidator(_mail_server)]
"""The URL of a mail server."""

SyslogAddress = Annotated[str, AfterValidator(_syslog_address)]
"""A Unix socket's path, or host and port for UDP."""

Proxies = Annotated[
    Annotated[int, Field(ge=0, le=10)] | tuple[Network, ...], BeforeValidator(_proxies)
]
"""Trusted reverse proxies: their number, or their networks."""
