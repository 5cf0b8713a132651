"""Admission of connections: shares per address, a total, and eviction of idle connections.

All of it runs on the hub, but for `Slot.release`. Nothing here scans the connections:
admitting, evicting and releasing take constant time. To find the address that holds
most takes the greatest of the counts that occur, which are 200 among 20,000 connections.
"""

from __future__ import annotations

import ipaddress
from collections import Counter, deque
from collections.abc import Callable
from enum import Enum

from backend.client_networks import NetworkSet, counted_networks, packed_address
from backend.errors import StreamsFull, TooManyStreams
from backend.server.admission_limits import MAX_CLOSING, AdmissionLimits
from backend.settings.types import Network

LOOPBACK: tuple[Network, ...] = (
    ipaddress.ip_network("127.0.0.0/8"),
    ipaddress.ip_network("::1/128"),
)
_RETRY_S = 5


class _Holder:
    """Network that holds connections; `idle` are those without a request, longest idle first."""

    __slots__ = ("connections", "idle", "network")

    def __init__(self, network: bytes) -> None:
        self.network = network
        self.connections = 0
        self.idle: dict[Slot, None] = {}


class _State(Enum):
    COUNTED, EVICTED, GONE = range(3)


class Slot:
    """One connection's place among those that are counted.

    Without holders it is exempt from the shares: this machine's, or a trusted proxy's.
    """

    __slots__ = ("_admission", "descriptors", "evict", "holders", "is_handed_over", "state")

    def __init__(self, admission: Admission, holders: tuple[_Holder, ...]) -> None:
        self._admission = admission
        self.holders = holders
        self.descriptors = 1
        self.state = _State.COUNTED
        self.is_handed_over = False
        self.evict: Callable[[], object] | None = None

    def begin_request(self) -> None:
        """Protect the connection from eviction."""
        self._admission.remove_idle(self)

    def end_request(self) -> None:
        """Mark the connection as evictable until its next request."""
        self._admission.add_idle(self)

    def hand_over(self, client: str, *, is_websocket: bool, is_tls: bool) -> None:
        """Count the connection as a stream of `client`, whom a trusted proxy may have named.

        A WebSocket has its descriptor twice, and a stream under TLS those of its relay.
        Raises `TooManyStreams` when the client's share is used up, `StreamsFull` when
        there are no descriptors left.
        """
        self._admission.hand_over(self, client, int(is_websocket) + 2 * int(is_tls))

    def release(self) -> None:
        """Give the place up; callable from any thread, further calls do nothing."""
        self.evict = None
        self._admission.released.append(self)


class Admission:
    """Decides which connections are accepted, and which idle one makes room for another.

    `trusted` are the proxies in front, as `BACKEND_TRUSTED_PROXIES` has them: with a
    number any address may be one of them.
    """

    def __init__(
        self,
        limits: AdmissionLimits,
        trusted: int | tuple[Network, ...] = 0,
        local: tuple[Network, ...] = LOOPBACK,
    ) -> None:
        self.limits = limits
        self.dropped: Counter[str] = Counter()  # refused or evicted, by reason
        self.total = 0
        self.released: deque[Slot] = deque()
        self._trusts_all = isinstance(trusted, int) and trusted > 0
        self._trusted = NetworkSet(() if isinstance(trusted, int) else trusted)
        self._local = NetworkSet(local)
        self._descriptors = 0
        self._closing = 0
        self._holders: dict[bytes, _Holder] = {}
        self._ranks: dict[int, dict[_Holder, None]] = {}  # holders with idle ones, by connections
        self._exempt_idle: dict[Slot, None] = {}

    @property
    def is_closing_many(self) -> bool:
        """Whether as many evicted connections are yet to be closed as may be."""
        return self._closing >= MAX_CLOSING

    def admit(self, host: str) -> Slot | None:
        """Return a place for a connection from `host`, or None if it must be closed at once."""
        self.settle()
        packed = packed_address(host)
        networks = () if self._is_exempt(packed) else counted_networks(packed)
        if (reason := self._used_up_share(networks)) is not None:
            self.dropped[reason] += 1
            return None
        if not self._make_room(networks, 1, 1) and not self._has_reserve(packed):
            self.dropped["full"] += 1
            return None
        slot = Slot(self, self._hold(networks))
        self._count(slot, 1)
        return slot

    def hand_over(self, slot: Slot, client: str, extra_descriptors: int) -> None:
        """See `Slot.hand_over`."""
        self.settle()
        packed = packed_address(client)
        networks = tuple(holder.network for holder in slot.holders)
        is_other = not networks and not self._is_exempt(packed, is_named=True)
        if is_other:
            networks = counted_networks(packed)
            if self._used_up_share(networks) is not None:
                limit = self.limits.per_address
                raise TooManyStreams(
                    f"an address may have {limit} connections open", retry_after_s=_RETRY_S
                )
        if extra_descriptors and not self._make_room(networks, 0, extra_descriptors):
            raise StreamsFull("no more streams can be opened now", retry_after_s=_RETRY_S)
        slot.evict = None
        slot.descriptors += extra_descriptors
        self._descriptors += extra_descriptors
        if is_other:
            slot.holders = self._hold(networks)

    def add_idle(self, slot: Slot) -> None:
        """Mark a connection as evictable, as the last among those of its network."""
        if slot.state is not _State.COUNTED or slot.is_handed_over:
            return
        if not slot.holders:
            self._exempt_idle[slot] = None
            return
        holder = slot.holders[-1]
        if not holder.idle:
            self._ranks.setdefault(holder.connections, {})[holder] = None
        holder.idle[slot] = None

    def remove_idle(self, slot: Slot) -> None:
        """Protect a connection from eviction."""
        if not slot.holders:
            self._exempt_idle.pop(slot, None)
            return
        holder = slot.holders[-1]
        if holder.idle.pop(slot, slot) is None and not holder.idle:
            self._unrank(holder)

    def settle(self) -> None:
        """Subtract the released ones from the counts."""
        while self.released:
            slot = self.released.popleft()
            if slot.state is _State.COUNTED:
                self._discard(slot)
            elif slot.state is _State.EVICTED:
                self._closing -= 1
            slot.state = _State.GONE

    def _is_exempt(self, packed: bytes, *, is_named: bool = False) -> bool:
        """Return whether an address has no share, `is_named` if a proxy has named it."""
        trusts_all = self._trusts_all and not is_named
        return trusts_all or not packed or packed in self._local or packed in self._trusted

    def _used_up_share(self, networks: tuple[bytes, ...]) -> str | None:
        limits = (self.limits.per_address, self.limits.per_site)
        for network, limit, reason in zip(networks, limits, ("address", "network"), strict=False):
            holder = self._holders.get(network)
            if holder is not None and holder.connections >= limit:
                return reason
        return None

    def _make_room(self, networks: tuple[bytes, ...], connections: int, descriptors: int) -> bool:
        """Return whether there is room, after evictions in favor of a network if need be."""
        most = self.limits.total if connections else self.total
        most_descriptors = self.limits.descriptors - self.limits.local_reserve
        while self.total + connections > most or self._descriptors + descriptors > most_descriptors:
            slot = self._evictable_for(networks)
            if slot is None or self.is_closing_many:
                return False
            self._evict(slot)
        return True

    def _has_reserve(self, packed: bytes) -> bool:
        """Return whether an address is this machine's, and the room kept for it is not taken."""
        limits = self.limits
        if packed not in self._local:
            return False
        is_below_total = self.total < limits.total + limits.local_reserve
        return is_below_total and self._descriptors < limits.descriptors

    def _evictable_for(self, networks: tuple[bytes, ...]) -> Slot | None:
        """Return the longest idle connection of the network that holds most, and more than these.

        Connections without a share are evicted only for others without one.
        """
        if self._ranks:
            most = max(self._ranks)
            holder = self._holders.get(networks[-1]) if networks else None
            if holder is None or holder.connections < most:
                return next(iter(next(iter(self._ranks[most])).idle))
        return next(iter(self._exempt_idle), None) if not networks else None

    def _evict(self, slot: Slot) -> None:
        self.remove_idle(slot)
        self._discard(slot)
        slot.state = _State.EVICTED
        self._closing += 1
        self.dropped["evicted"] += 1
        if slot.evict is not None:
            slot.evict()

    def _discard(self, slot: Slot) -> None:
        self.remove_idle(slot)
        self._count(slot, -1)
        for holder in slot.holders:
            self._change_connections(holder, -1)

    def _count(self, slot: Slot, change: int) -> None:
        self.total += change
        self._descriptors += change * slot.descriptors

    def _hold(self, networks: tuple[bytes, ...]) -> tuple[_Holder, ...]:
        """Count one connection more of these networks, and return them."""
        holders = tuple(self._holders.setdefault(key, _Holder(key)) for key in networks)
        for holder in holders:
            self._change_connections(holder, 1)
        return holders

    def _change_connections(self, holder: _Holder, change: int) -> None:
        if holder.idle:
            self._unrank(holder)
        holder.connections += change
        if holder.idle:
            self._ranks.setdefault(holder.connections, {})[holder] = None
        if not holder.connections:
            del self._holders[holder.network]

    def _unrank(self, holder: _Holder) -> None:
        rank = self._ranks[holder.connections]
        del rank[holder]
        if not rank:
            del self._ranks[holder.connections]
