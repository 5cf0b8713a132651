"""Failures of connections at any moment, and of the hub itself."""

from __future__ import annotations

import selectors
import socket
import threading
from typing import Any

import pytest

from backend.ports.events import Event
from backend.streams import Intervals, Selection, StreamOwner
from backend.streams.connection_limits import StreamLimits
from backend.streams.dispatcher import Dispatcher
from backend.streams.event_log import EventLog
from backend.streams.housekeeping import Housekeeping
from backend.streams.socket_send import send
from backend.streams.subscriber import Subscriber
from tests.streams.conftest import StartLiveHub
from tests.streams.live_hub import LiveHub, make_event
from tests.streams.random_histories import BoundedWriter
from tests.streams.stream_client import Sse, SseClient, SseParser

ORDERS = Selection(("orders",))
OWNER = StreamOwner("somebody", float("inf"), lambda: True)


class FailingWriter(BoundedWriter):
    """Fails when it is told to."""

    room = 10**6
    fails_at = ""

    def open(self, selector: selectors.BaseSelector, owner: object) -> None:
        if self.fails_at == "open":
            raise OSError

    def write(self, data: bytes) -> int:
        if self.fails_at == "write":
            raise OSError
        return super().write(data)


class SingleSlotDispatcher:
    """A dispatcher with room for one client."""

    def __init__(self, **pace: float) -> None:
        self.limits = StreamLimits(1, 1)
        self.dispatcher = Dispatcher(
            EventLog("a", 100), selectors.SelectSelector(), Intervals(**pace)
        )
        self.housekeeping = Housekeeping(self.dispatcher, Intervals(**pace))
        self.writer = FailingWriter()
        self.writer.room = 10**6

    def attach(self) -> Subscriber:
        client = Subscriber(self.writer, ORDERS, OWNER, self.limits.acquire("somebody"), None)
        self.dispatcher.attach(client)
        return client

    def is_empty(self) -> bool:
        return not self.dispatcher.subscribers() and self.limits.acquire("somebody") is not None


@pytest.mark.parametrize("moment", ["open", "write"])
def test_a_connection_that_breaks_at_once_is_forgotten(moment: str) -> None:
    stage = SingleSlotDispatcher()
    stage.writer.fails_at = moment
    stage.attach()
    assert stage.is_empty()


def test_a_connection_that_breaks_in_a_wave_is_forgotten() -> None:
    stage = SingleSlotDispatcher()
    stage.attach()
    stage.writer.fails_at = "write"
    stage.dispatcher.append(make_event("orders", "a", 1))
    stage.dispatcher.broadcast()
    assert stage.is_empty()


def test_a_connection_that_breaks_at_a_heartbeat_is_forgotten() -> None:
    stage = SingleSlotDispatcher(heartbeat_s=0)
    stage.attach()
    stage.writer.fails_at = "write"
    stage.housekeeping.run_due()
    assert stage.is_empty()


def test_half_a_heartbeat_is_completed_before_the_next_event() -> None:
    stage = SingleSlotDispatcher(heartbeat_s=0)
    client = stage.attach()
    stage.writer.received, stage.writer.room = b"", 1
    stage.housekeeping.run_due()
    stage.dispatcher.append(make_event("orders", "a", 1))
    stage.dispatcher.broadcast()
    stage.writer.room = 10**6
    stage.dispatcher.catch_up(client)
    parser = SseParser()
    [event] = parser.feed(stage.writer.received)
    assert (parser.heartbeats, event.data["value"]) == (1, 1)


def test_leaving_twice_frees_one_slot() -> None:
    stage = SingleSlotDispatcher()
    client = stage.attach()
    stage.dispatcher.disconnect(client)
    stage.dispatcher.disconnect(client)
    assert stage.is_empty()


def test_orders_that_their_publisher_sends_stay_in_order_with_all_else(
    start_live_hub: StartLiveHub,
) -> None:
    count = 3000
    live_hub = start_live_hub(capacity=100_000)
    clients: list[SseClient] = []

    def come() -> None:
        clients.append(live_hub.open("topics=orders,prices"))
        clients[-1].take(2)

    def publish_prices() -> None:
        for number in range(count):
            live_hub.publish("prices", f"p{number % 3}", number)

    come()
    prices = threading.Thread(target=publish_prices)
    prices.start()
    for number in range(1, count + 1):
        live_hub.hub.publish(make_event("orders", "a", number), number)
        if number % 500 == 0:
            come()
    prices.join()
    live_hub.publish("orders", "last", 0)
    for client in clients:
        told: list[Sse] = []
        while not told or told[-1].data.get("key") != "last":
            told += client.take(1)
        sequences = [event.sequence for event in told if event.id is not None]
        orders = [event.data["value"] for event in told if event.name == "orders_changed"]
        assert sequences == sorted(set(sequences))
        assert orders[:-1] == list(range(count + 2 - len(orders), count + 1))


def test_a_defect_of_the_hub_costs_the_connection_but_no_event(
    live_hub: LiveHub, capsys: pytest.CaptureFixture[str]
) -> None:
    client = live_hub.open("topics=orders")
    client.take(1)
    live_hub.publish("orders", "a", 1)
    client.take(1)
    broken: Any = None
    live_hub.hub.publish(Event("orders", "orders_changed", "b", None, broken, broken))
    live_hub.publish("orders", "c", 2)
    assert client.rest() == []
    [event] = live_hub.open("topics=orders", last_event_id=client.last_id).take(1)
    assert event.data == {"key": "c", "value": 2}
    assert "streams failed: all subscribers are disconnected" in capsys.readouterr().out


def test_a_socket_that_is_gone_before_its_stream_begins_frees_its_slot(live_hub: LiveHub) -> None:
    body = live_hub.hub.open_stream(ORDERS, OWNER)
    gone = socket.socket()
    gone.close()
    body.take_over(gone)
    assert live_hub.open("topics=orders").status == 200


def test_a_stream_that_begins_after_the_end_is_closed(live_hub: LiveHub) -> None:
    body = live_hub.hub.open_stream(ORDERS, OWNER)
    live_hub.hub.close()
    ours, theirs = socket.create_server(("127.0.0.1", 0)), socket.socket()
    with ours, theirs:
        theirs.connect(ours.getsockname())
        body.take_over(ours.accept()[0])
        assert theirs.recv(1) == b""
    assert list(body) == []


def test_sending_takes_what_there_is_room_for_and_says_when_it_cannot() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        ours.setblocking(False)
        with theirs:
            assert send(ours, b"a\0b") == 3
            assert theirs.recv(10) == b"a\0b"
            while send(ours, b"x" * 4096):
                pass
            assert send(ours, b"x") == 0
        with pytest.raises(BrokenPipeError):
            send(ours, b"x")
