"""Many who asked for the same: groups that have their waves one after the other."""

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
from backend.streams.subscriber_groups import MOST_IN_GROUP
from tests.streams.live_hub import make_event
from tests.streams.random_histories import ENDLESS, Outlet
from tests.streams.stream_client import Parser

ORDERS = Selection(("orders",))
HOLDER = StreamOwner("somebody", float("inf"), lambda: True)


class Crowd:
    """A delivery, and one client more than fit into two groups."""

    def __init__(self) -> None:
        self.delivery = Dispatcher(EventLog("a", 100), selectors.SelectSelector(), Intervals())
        self.seats = StreamLimits(ENDLESS, ENDLESS)
        self.clients = [self.attach() for _ in range(2 * MOST_IN_GROUP + 1)]
        self.first, self.last = self.clients[0], self.clients[-1]

    def attach(self) -> Subscriber:
        writer = Outlet()
        writer.room = ENDLESS
        client = Subscriber(writer, ORDERS, HOLDER, self.seats.take("somebody"), None)
        self.delivery.attach(client)
        return client

    def note(self, value: int) -> None:
        self.delivery.take(make_event("orders", "a", value))

    def note_once(self, value: int) -> Callable[[], None]:
        """Return what notes an event when it is called first, and nothing after that."""
        values = [value]
        return lambda: self.note(values.pop()) if values else None

    def told(self, client: Subscriber) -> list[int]:
        """Return the values that a client was sent after its beginning."""
        assert isinstance(client.writer, Outlet)
        events = Parser().feed(client.writer.received)
        return [event.data["value"] for event in events if event.name == "orders_changed"]


@pytest.fixture
def between_groups() -> Crowd:
    """A crowd in a wave's midst: an event came in after the first group was sent another."""
    crowd = Crowd()
    crowd.note(1)
    crowd.delivery.send_wave(crowd.note_once(2))
    return crowd


def test_later_groups_get_with_a_wave_what_came_during_it(between_groups: Crowd) -> None:
    told = [between_groups.told(client) for client in between_groups.clients]
    assert told == [[1]] * MOST_IN_GROUP + [[1, 2]] * (MOST_IN_GROUP + 1)


def test_the_next_wave_brings_the_others_what_came_meanwhile(between_groups: Crowd) -> None:
    between_groups.note(3)
    between_groups.delivery.send_wave()
    told = [between_groups.told(client) for client in between_groups.clients]
    assert told == [[1, 2, 3]] * (2 * MOST_IN_GROUP + 1)


def test_who_ends_in_between_has_all_that_was_published_before(between_groups: Crowd) -> None:
    between_groups.delivery.end(between_groups.first, "server_stopping")
    assert between_groups.told(between_groups.first) == [1, 2]
    between_groups.delivery.send_wave()
    assert between_groups.told(between_groups.clients[1]) == [1, 2]


def test_who_comes_in_between_is_told_nothing_twice(between_groups: Crowd) -> None:
    between_groups.delivery.drop(between_groups.first)
    newcomer = between_groups.attach()
    assert newcomer.group is between_groups.clients[1].group
    between_groups.note(3)
    between_groups.delivery.send_wave()
    assert between_groups.told(newcomer) == [3]
    assert between_groups.told(between_groups.clients[1]) == [1, 2, 3]


def test_half_a_heartbeat_in_between_loses_nothing(between_groups: Crowd) -> None:
    writer = between_groups.first.writer
    assert isinstance(writer, Outlet)
    before = len(writer.received)
    between_groups.delivery.send_heartbeats(SSE)
    assert between_groups.told(between_groups.first) == [1, 2]
    assert writer.received[before:].endswith(b"}\n\n:\n\n")
    writer.room = 1
    between_groups.delivery.send_heartbeats(SSE)
    between_groups.note(3)
    writer.room = ENDLESS
    between_groups.delivery.catch_up(between_groups.first)
    between_groups.delivery.send_wave()
    assert between_groups.told(between_groups.first) == [1, 2, 3]


def test_a_group_goes_with_its_last_client() -> None:
    crowd = Crowd()
    for client in crowd.clients:
        crowd.delivery.drop(client)
    assert crowd.delivery.clients() == []
    assert not crowd.delivery.wants("orders", "BTC/USDT")
    crowd.note(1)
    crowd.delivery.send_wave()
    assert crowd.told(crowd.attach()) == []
