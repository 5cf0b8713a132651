"""Who may act by an API key, and from where."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timezone

from backend.identity.principal import Principal
from backend.identity.roles import SCOPES
from backend.store import models

_NEVER = datetime.max.replace(tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """A key's owner with the scopes of the key, and the networks that it is bound to."""

    principal: Principal
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]

    def may_call_from(self, address: str) -> bool:
        """Whether the key may be used from an address."""
        if not self.networks:
            return True
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        # a socket that takes both kinds shows IPv4 callers as ::ffff:203.0.113.9
        mapped = getattr(found, "ipv4_mapped", None) or found
        return any(mapped in network for network in self.networks)


def holder(key: models.ApiKey, user: models.User) -> KeyHolder:
    """Say who a key of the store lets act."""
    principal = Principal(
        user_id=user.id,
        username=user.username,
        role=user.role,
        # a role that has shrunk since shrinks the key too
        scopes=SCOPES[user.role].intersection(key.scopes.split()),
        token_id=key.id,
        session_id=key.id,
        expires_at=key.expires_at or _NEVER,
        key_prefix=key.prefix,
    )
    return KeyHolder(principal, tuple(map(ipaddress.ip_network, key.networks.split())))
