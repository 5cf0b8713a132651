"""Value types of settings, parsed from text."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

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


Rate = Annotated[str, AfterValidator(_rate)]
"""A rate, as in 10/minute."""

Proxies = Annotated[
    Annotated[int, Field(ge=0, le=10)] | tuple[Network, ...], BeforeValidator(_proxies)
]
"""Trusted reverse proxies: their number, or their networks."""
