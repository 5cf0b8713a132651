"""Several groups of one selection, whose batches are sent one after the other."""

from __future__ import annotations

import selectors
from collections.abc import Callable

import pytest

from backend.streams import Intervals, Selection, StreamOwner
from backend.streams.connection_limits import StreamLimits
from backend.streams.dispatcher import Dispatcher
from backend.streams.encodings import SSE
from backend.streams.event_log import EventLog
from backend.streams.subscriber import Subscriber
from backend.streams.subscriber_groups import MAX_GROUP_SIZE, SubscriberGroups
from tests.streams.live_hub import make_event
from tests.streams.random_histories import ENDLESS, BoundedWriter
from tests.streams.stream_client import SseParser

ORDERS = Selection(("orders",))
OWNER = StreamOwner("somebody", float("inf"), lambda: True)


class Crowd:
    """A dispatcher, and one client more than fit into two groups."""

    def __init__(self) -> None:
        self.dispatcher = Dispatcher(EventLog("a", 100), selectors.SelectSelector(), Intervals())
        self.limits = StreamLimits(ENDLESS, ENDLESS)
        self.clients = [self.attach() for _ in range(2 * MAX_GROUP_SIZE + 1)]
        self.first, self.last = self.clients[0], self.clients[-1]

    def attach(self) -> Subscriber:
        writer = BoundedWriter()
        writer.room = ENDLESS
        client = Subscriber(writer, ORDERS, OWNER, self.limits.acquire("somebody"), None)
        self.dispatcher.attach(client)
        return client

    def note(self, value: int) -> None:
        self.dispatcher.append(make_event("orders", "a", value))

    def note_once(self, value: int) -> Callable[[], None]:
        """Return what notes an event when it is called first, and nothing after that."""
        values = [value]
        return lambda: self.note(values.pop()) if values else None

    def told(self, client: Subscriber) -> list[int]:
        """Return the values that a client was sent after its beginning."""
        assert isinstance(client.writer, BoundedWriter)
        events = SseParser().feed(client.writer.received)
        return [event.data["value"] for event in events if event.name == "orders_changed"]


@pytest.fixture
def between_groups() -> Crowd:
    """A crowd in the middle of a broadcast: an event came in after the first group was sent."""
    crowd = Crowd()
    crowd.note(1)
    crowd.dispatcher.broadcast(crowd.note_once(2))
    return crowd


def test_later_groups_get_with_a_broadcast_what_came_during_it(between_groups: Crowd) -> None:
    told = [between_groups.told(client) for client in between_groups.clients]
    assert told == [[1]] * MAX_GROUP_SIZE + [[1, 2]] * (MAX_GROUP_SIZE + 1)


def test_the_next_broadcast_brings_the_others_what_came_meanwhile(between_groups: Crowd) -> None:
    between_groups.note(3)
    between_groups.dispatcher.broadcast()
    told = [between_groups.told(client) for client in between_groups.clients]
    assert told == [[1, 2, 3]] * (2 * MAX_GROUP_SIZE + 1)


def test_who_ends_in_between_has_all_that_was_published_before(between_groups: Crowd) -> None:
    between_groups.dispatcher.end(between_groups.first, "server_stopping")
    assert between_groups.told(between_groups.first) == [1, 2]
    between_groups.dispatcher.broadcast()
    assert between_groups.told(between_groups.clients[1]) == [1, 2]


def test_who_comes_in_between_is_told_nothing_twice(between_groups: Crowd) -> None:
    between_groups.dispatcher.disconnect(between_groups.first)
    newcomer = between_groups.attach()
    between_groups.note(3)
    between_groups.dispatcher.broadcast()
    assert between_groups.told(newcomer) == [3]
    assert between_groups.told(between_groups.clients[1]) == [1, 2, 3]


def test_half_a_heartbeat_in_between_loses_nothing(between_groups: Crowd) -> None:
    writer = between_groups.first.writer
    assert isinstance(writer, BoundedWriter)
    before = len(writer.received)
    between_groups.dispatcher.send_heartbeats(SSE)
    assert between_groups.told(between_groups.first) == [1, 2]
    assert writer.received[before:].endswith(b"}\n\n:\n\n")
    writer.room = 1
    between_groups.dispatcher.send_heartbeats(SSE)
    between_groups.note(3)
    writer.room = ENDLESS
    between_groups.dispatcher.catch_up(between_groups.first)
    between_groups.dispatcher.broadcast()
    assert between_groups.told(between_groups.first) == [1, 2, 3]


def test_a_newcomer_joins_the_first_group_with_room() -> None:
    slots, groups = StreamLimits(ENDLESS, ENDLESS), SubscriberGroups()
    subscribers = [
        Subscriber(BoundedWriter(), ORDERS, OWNER, slots.acquire("somebody"), None)
        for _ in range(MAX_GROUP_SIZE + 2)
    ]
    for subscriber in subscribers[:-1]:
        groups.add(subscriber)
    groups.remove(subscribers[0])
    groups.add(subscribers[-1])
    assert groups.group_of(subscribers[-1]) is groups.group_of(subscribers[1])
    assert groups.group_of(subscribers[-1]) is not groups.group_of(subscribers[-2])


def test_a_group_goes_with_its_last_client() -> None:
    crowd = Crowd()
    for client in crowd.clients:
        crowd.dispatcher.disconnect(client)
    assert crowd.dispatcher.subscribers() == []
    assert not crowd.dispatcher.has_subscribers("orders", "BTC/USDT")
    crowd.note(1)
    crowd.dispatcher.broadcast()
    assert crowd.told(crowd.attach()) == []
