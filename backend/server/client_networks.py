"""Networks of client addresses: the keys by which connections are counted, and sets of them."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from backend.settings.types import Network

_MAPPED_IPV4 = bytes(10) + b"\xff\xff"
_ADDRESS_BYTES, _SITE_BYTES = 8, 6  # of IPv6: /64, /48


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
        return packed[:_ADDRESS_BYTES], packed[:_SITE_BYTES]
    return (packed,)


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
