"""Models of API keys."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, Field

from backend.schemas.auth import Scope
from backend.schemas.common import AwareTime, Model, RequestModel, UtcTime


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        raise ValueError("an address or a network, as in 203.0.113.9 or 10.0.0.0/8") from None


Network = Annotated[
    str, Field(max_length=45, examples=["203.0.113.0/24"]), AfterValidator(_network)
]
"""A network of IPv4 or IPv6 addresses, or a single address."""


class NewApiKey(RequestModel):
    """What a key may do, until when, and from where."""

    name: str = Field(min_length=1, max_length=64, examples=["trading script"])
    scopes: list[Scope] = Field(
        min_length=1,
        max_length=50,
        examples=[["portfolio:read", "orders:write"]],
        description="Some of those that the caller's role has.",
    )
    networks: list[Network] = Field(
        default=[], max_length=20, description="Where it may be used from; anywhere if empty."
    )
    expires_at: AwareTime | None = Field(default=None, description="Never, if left out.")


class ApiKey(Model):
    """A key, by all but itself."""

    id: str
    name: str
    prefix: str = Field(description="What the key begins with.", examples=["obk_7h2kq9xz"])
    scopes: list[str]
    networks: list[str]
    created_at: UtcTime
    expires_at: UtcTime | None
    last_used_at: UtcTime | None
    last_address: str | None


class CreatedApiKey(ApiKey):
    """A key just made, with the one and only sight of it."""

    key: str = Field(description="Send it as `X-API-Key`. It is never shown again.")


class Revocation(Model):
    """A key that is of no use any more."""

    id: str
