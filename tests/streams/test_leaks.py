"""Many clients that connect and disconnect leave no object, descriptor or memory behind."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import struct
from collections import Counter
from collections.abc import Callable

import pytest

from backend.server.connection import Connection
from backend.streams import Intervals, StreamBody
from backend.streams.connection_limits import StreamSlot
from backend.streams.subscriber import Subscriber
from backend.streams.subscriber_groups import SubscriberGroup
from tests.streams.conftest import StartLiveHub
from tests.streams.live_hub import LiveHub, Transport
from tests.streams.stream_client import SseClient, wait_until

pytestmark = pytest.mark.long

OURS = (Subscriber, StreamSlot, StreamBody, SubscriberGroup, Connection)
CROWD = 200


def leave_politely(client: SseClient) -> None:
    client.take(1)
    client.close()


def leave_at_once(client: SseClient) -> None:
    client.close()


def break_off(client: SseClient) -> None:
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def held() -> Counter[str]:
    """Count open sockets and our objects."""
    gc.collect()
    found = Counter(type(thing).__name__ for thing in gc.get_objects() if isinstance(thing, OURS))
    return found + Counter(sockets=sum(map(is_socket, os.listdir("/proc/self/fd"))))


def back_to(before: Counter[str]) -> None:
    """Wait until no more is held than before, or tell what is."""
    with contextlib.suppress(AssertionError):
        wait_until(lambda: held() <= before)
    assert held() - before == Counter()


def is_socket(descriptor: str) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}").startswith("socket:")
    except FileNotFoundError:  # the listing's own
        return False


@pytest.mark.parametrize("leave", [leave_politely, leave_at_once, break_off])
@pytest.mark.parametrize("transport", ["handed over", "greenlets"])
def test_a_crowd_leaves_nothing_behind(
    start_live_hub: StartLiveHub, transport: Transport, leave: Callable[[SseClient], None]
) -> None:
    often = Intervals(heartbeat_s=0.1)
    live_hub = start_live_hub(transport, max_streams_per_user=10 * CROWD, intervals=often)
    resident = live_hub.open("topics=orders")
    resident.take(1)
    before = held()
    for number in range(CROWD):
        leave(SseClient(live_hub.port, "/?topics=orders,prices"))
        live_hub.publish("orders", "a", number)
    back_to(before)
    events = resident.take(CROWD)
    assert [event.data["value"] for event in events] == list(range(CROWD))


def test_streams_that_stall_are_freed_when_they_end(start_live_hub: StartLiveHub) -> None:
    live_hub = start_live_hub(capacity=100, max_streams_per_user=10 * CROWD)
    before = held()
    crowd = [SseClient(live_hub.port, "/?topics=orders", receive_buffer=4096) for _ in range(50)]
    for client in crowd:
        client.take(1)
    for number in range(600):
        live_hub.publish("orders", f"o{number % 5}", number, pad=3000)
    for client in crowd:
        client.close()
    back_to(before)


def test_the_end_of_a_hub_frees_all(live_hub: LiveHub) -> None:
    before = held()
    clients = [SseClient(live_hub.port, "/?topics=orders") for _ in range(50)]
    for client in clients:
        client.take(1)
    live_hub.hub.close()
    ends = [client.rest() for client in clients]
    for client in clients:
        client.close()
    back_to(before)
    assert all(end[0].name == "end" for end in ends)


def test_five_thousand_connections_leave_neither_descriptors_nor_memory(live_hub: LiveHub) -> None:
    resident = live_hub.open("topics=orders")
    resident.take(1)
    known = held()["Subscriber"]
    come_and_go(live_hub, 1000)  # what is set up once is set up
    wait_until(lambda: held()["Subscriber"] <= known)
    before, memory_kb = held(), rss_kb()
    come_and_go(live_hub, 5000)
    live_hub.publish("orders", "last", 7)
    [event] = resident.take(1)
    assert event.data["value"] == 7
    wait_until(lambda: held() <= before)
    assert rss_kb() - memory_kb < 8 * 1024  # 1.6 KB of each: a leak of its parts is larger


def come_and_go(live_hub: LiveHub, count: int) -> None:
    """Open so many streams and close them at once, read or not."""
    for number in range(count):
        client = socket.create_connection(("127.0.0.1", live_hub.port))
        client.sendall(b"GET /?topics=orders,prices HTTP/1.0\r\n\r\n")
        if number % 5 == 0:
            client.recv(1024)
        client.close()


def rss_kb() -> int:
    """Return how much memory this process holds."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
