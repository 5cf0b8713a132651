"""Networks of client addresses: what one subscriber has, and what one site may have."""

from __future__ import annotations

import functools
import ipaddress


@functools.lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """Return an IPv4 address, or the /64 network of an IPv6 address: what one subscriber has."""
    return _prefix(address, 64)


@functools.lru_cache(maxsize=4096)
def site_of(address: str) -> str:
    """Return an IPv4 address, or the /48 network of an IPv6 address.

    Providers give up to 65,536 networks of /64 to one customer.
    """
    return _prefix(address, 48)


def _prefix(address: str, length: int) -> str:
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network(f"{address.partition('%')[0]}/{length}", strict=False))
    except ValueError:
        return address
