"""Networks of client addresses, by which connections, requests and logins are counted."""

from __future__ import annotations

import functools
import ipaddress
import socket
from collections.abc import Iterable

from backend.settings.types import Network

_MAPPED_IPV4 = bytes(10) + b"\xff\xff"
_NETWORK_BITS, _SITE_BITS = 64, 48  # of IPv6


def packed_address(host: str) -> bytes:
    """Return the 4 or 16 bytes of an address; an IPv4 address within IPv6 gets its 4.

    Text that is no address has none, b"".
    """
    try:
        if ":" not in host:
            return socket.inet_aton(host) if host.count(".") == 3 else b""
        packed = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    except OSError:
        return b""
    return packed[12:] if packed.startswith(_MAPPED_IPV4) else packed


def counted_networks(packed: bytes) -> tuple[bytes, ...]:
    """Return the networks under which an address is counted, the widest last.

    These are an IPv4 address itself, and an IPv6 address's /64 and /48: providers give
    customers at least the former.
    """
    if len(packed) == 16:
        return packed[: _NETWORK_BITS // 8], packed[: _SITE_BITS // 8]
    return (packed,)


@functools.lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """Return an IPv4 address, or the /64 network of an IPv6 address: what one subscriber has."""
    return _prefix(address, _NETWORK_BITS)


@functools.lru_cache(maxsize=4096)
def site_of(address: str) -> str:
    """Return an IPv4 address, or the /48 network of an IPv6 address.

    Providers give up to 65,536 networks of /64 to one customer.
    """
    return _prefix(address, _SITE_BITS)


def _prefix(address: str, length: int) -> str:
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network(f"{address.partition('%')[0]}/{length}", strict=False))
    except ValueError:
        return address


class NetworkSet:
    """Set of networks with a quick test of membership for packed addresses."""

    def __init__(self, networks: Iterable[Network]) -> None:
        self._by_length: dict[int, list[tuple[int, int]]] = {0: [], 4: [], 16: []}
        for network in networks:
            masked = int(network.network_address), int(network.netmask)
            self._by_length[network.max_prefixlen // 8].append(masked)

    def __contains__(self, packed: bytes) -> bool:
        """Return whether one of the networks has the address."""
        value = int.from_bytes(packed, "big")
        return any(value & mask == first for first, mask in self._by_length[len(packed)])
