"""The policy by itself: IPv6 networks, computed limits, and exact counts after random histories."""

from __future__ import annotations

import ipaddress
import random
from collections import Counter

import pytest

from backend.client_networks import NetworkSet, counted_networks, packed_address
from backend.errors import StreamsFull
from backend.server.admission import Admission, Slot
from backend.server.admission_limits import AdmissionLimits, admission_limits


def policy(total: int, per_address: int, per_site: int = 100, descriptors: int = 1000) -> Admission:
    return Admission(AdmissionLimits(total, per_address, per_site, descriptors, 2000, 2))


def opened(admission: Admission, host: str) -> Slot | None:
    """Admit a connection that says nothing."""
    slot = admission.admit(host)
    if slot is not None:
        slot.end_request()
    return slot


def test_ipv6_is_counted_by_64_and_by_48() -> None:
    admission = policy(1000, per_address=3, per_site=5)
    hosts = [f"2001:db8:1:1::{number}" for number in range(4)]
    hosts += [f"2001:db8:1:{number}::1" for number in range(2, 6)]
    assert [opened(admission, host) is not None for host in hosts] == (
        [True] * 3 + [False] + [True] * 2 + [False] * 2
    )
    assert admission.dropped == {"address": 1, "network": 2}
    assert opened(admission, "2001:db8:2:1::1") is not None


def test_ipv4_within_ipv6_is_ipv4() -> None:
    admission = policy(1000, per_address=2)
    hosts = ["203.0.113.7", "::ffff:203.0.113.7", "203.0.113.7", "::ffff:203.0.113.8"]
    assert [opened(admission, host) is not None for host in hosts] == [True, True, False, True]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_this_machine_has_no_share_and_a_reserve(host: str) -> None:
    admission = policy(10, per_address=2)
    slots = [admission.admit(host) for _ in range(13)]
    assert [slot is not None for slot in slots] == [True] * 12 + [False]
    assert admission.admit("203.0.113.7") is None
    assert admission.dropped == {"full": 2}


@pytest.mark.parametrize(
    ("host", "packed"),
    [
        ("203.0.113.7", b"\xcb\x00\x71\x07"),
        ("fe80::1%eth0", b"\xfe\x80" + bytes(13) + b"\x01"),
        ("", b""),
        ("unix", b""),
        ("1.2.3", b""),
        ("300.1.1.1", b""),
        ("2001:zz::1", b""),
    ],
)
def test_addresses_are_read_and_other_text_is_none(host: str, packed: bytes) -> None:
    assert packed_address(host) == packed


def test_networks_hold_their_addresses_only() -> None:
    texts = ("10.0.0.0/8", "2001:db8::5/128")
    networks = NetworkSet([ipaddress.ip_network(text) for text in texts])
    hosts = ("10.255.0.1", "::ffff:10.0.0.1", "11.0.0.1", "2001:db8::5", "2001:db8::6", "")
    found = [packed_address(host) in networks for host in hosts]
    assert found == [True, True, False, True, False, False]


def test_a_stream_over_tls_takes_the_descriptors_of_its_relay() -> None:
    admission = policy(100, per_address=100, descriptors=10)
    streams = [admission.admit("203.0.113.7") for _ in range(3)]
    for slot in streams[:2]:
        assert slot is not None
        slot.hand_over("203.0.113.7", is_websocket=False, is_tls=True)
    assert streams[2] is not None
    with pytest.raises(StreamsFull):  # 7 of 8 are taken, 2 are for this machine
        streams[2].hand_over("203.0.113.7", is_websocket=True, is_tls=True)
    assert admission.admit("203.0.113.7") is not None
    assert admission.admit("203.0.113.7") is None
    assert admission.admit("127.0.0.1") is not None


@pytest.mark.parametrize(
    ("open_files", "total", "per_address"),
    [(256, 32, 8), (1024, 608, 152), (4096, 2912, 728), (65_536, 20_000, 1000)],
)
def test_the_computed_limits_leave_descriptors(
    open_files: int, total: int, per_address: int
) -> None:
    computed = admission_limits(open_files)
    assert (computed.total, computed.per_address) == (total, per_address)
    assert open_files - computed.descriptors >= min(192, open_files // 2)
    assert computed.total + computed.local_reserve <= computed.descriptors


def test_settings_win_but_for_the_limit_on_open_files() -> None:
    assert admission_limits(65_536, 300, 20).total == 300
    assert admission_limits(65_536, 300, 20).per_address == 20
    assert admission_limits(1024, 50_000).total == admission_limits(1024).total


HOSTS = ("127.0.0.1", "198.51.100.1", "198.51.100.2", "198.51.100.3", "2001:db8::1", "2001:db8::2")


@pytest.mark.parametrize("seed", range(20))
def test_counts_are_exact_after_any_history(seed: int) -> None:
    """Compare with a list of all connections, which is scanned for what the policy must do."""
    chance = random.Random(seed)
    admission = policy(12, per_address=6, per_site=8)
    model: dict[Slot, tuple[str, bool]] = {}  # host, whether idle; in the order of idleness
    for _ in range(2000):
        action = chance.choice(("open", "open", "begin", "end", "close"))
        if action == "open":
            _open_in_both(admission, model, chance.choice(HOSTS))
        elif model:
            slot = chance.choice(list(model))
            host, _idle = model.pop(slot)
            if action == "close":
                slot.release()
                slot.release()
            else:
                idle = action == "end"
                slot.begin_request()
                if idle:
                    slot.end_request()
                model[slot] = (host, idle)
        admission.settle()
        assert admission.total == len(model)


def _open_in_both(admission: Admission, model: dict[Slot, tuple[str, bool]], host: str) -> None:
    expected, victims = _model_admits(model, host)
    evicted: list[Slot] = []
    for slot in model:
        slot.evict = _appending(evicted, slot)
    slot = opened(admission, host)
    assert (slot is not None) == expected
    assert len(evicted) == len(victims[:1])
    for gone in evicted:
        assert gone in victims
        del model[gone]
        gone.release()
    if slot is not None:
        model[slot] = (host, True)


def _appending(evicted: list[Slot], slot: Slot):  # type: ignore[no-untyped-def]
    return lambda: evicted.append(slot)


def _model_admits(model: dict[Slot, tuple[str, bool]], host: str) -> tuple[bool, list[Slot]]:
    """Return whether a newcomer gets in, and the connections of which one may make room."""
    counts: Counter[bytes] = Counter()
    for other, _ in model.values():
        if other != HOSTS[0]:
            counts.update(set(counted_networks(packed_address(other))))
    networks = counted_networks(packed_address(host))
    if host != HOSTS[0] and (
        counts[networks[0]] >= 6 or (len(networks) == 2 and counts[networks[1]] >= 8)
    ):
        return False, []
    if len(model) < 12:
        return True, []
    sites = {
        slot: counted_networks(packed_address(other))[-1] for slot, (other, _) in model.items()
    }
    idle = [slot for slot, (other, is_idle) in model.items() if is_idle and other != HOSTS[0]]
    most = max((counts[sites[slot]] for slot in idle), default=0)
    victims = [slot for slot in idle if counts[sites[slot]] == most]
    firsts = list({sites[slot]: slot for slot in reversed(victims)}.values())
    if host != HOSTS[0]:
        return (
            bool(firsts) and counts[networks[-1]] < most,
            firsts if counts[networks[-1]] < most else [],
        )
    if not firsts:
        firsts = [slot for slot, (other, idle) in model.items() if idle and other == host][:1]
    return bool(firsts) or len(model) < 14, firsts
