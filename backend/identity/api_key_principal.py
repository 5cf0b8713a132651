"""Principal of an API key: its owner, scopes and allowed networks."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timezone

from backend.identity.principal import Principal
from backend.identity.roles import SCOPES
from backend.store import models

_NEVER = datetime.max.replace(tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class ApiKeyPrincipal:
    """A key's owner with the scopes of the key, and the networks it may be used from."""

    principal: Principal
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]

    def allows_address(self, address: str) -> bool:
        """Return whether the key may be used from an address."""
        if not self.networks:
            return True
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        # a dual-stack socket shows IPv4 callers as ::ffff:203.0.113.9
        mapped = getattr(parsed, "ipv4_mapped", None) or parsed
        return any(mapped in network for network in self.networks)


def api_key_principal(key: models.ApiKey, user: models.User) -> ApiKeyPrincipal:
    """Return the principal of a stored key."""
    principal = Principal(
        user_id=user.id,
        username=user.username,
        role=user.role,
        # a role that has lost scopes since limits the key too
        scopes=SCOPES[user.role].intersection(key.scopes.split()),
        token_id=key.id,
        session_id=key.id,
        expires_at=key.expires_at or _NEVER,
        key_prefix=key.prefix,
    )
    return ApiKeyPrincipal(principal, tuple(map(ipaddress.ip_network, key.networks.split())))
