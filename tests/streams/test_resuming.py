"""Resuming a stream from Last-Event-ID within one start of the server."""

from __future__ import annotations

import pytest

from tests.streams.conftest import StartLiveHub
from tests.streams.live_hub import LiveHub
from tests.streams.stream_client import SseClient

BTC, ETH = "BTC/USDT", "ETH/USDT"


def publish_orders(live_hub: LiveHub, numbers: range) -> None:
    for number in numbers:
        live_hub.publish("orders", f"o{number}", number)


def disconnect(client: SseClient) -> str:
    """Close a stream and return the last id seen on it."""
    client.close()
    assert client.last_id is not None
    return client.last_id


def test_a_stream_goes_on_right_after_the_last_id(any_live_hub: LiveHub) -> None:
    client = any_live_hub.open("topics=orders")
    client.take(1)
    publish_orders(any_live_hub, range(10))
    client.take(6)
    last = disconnect(client)
    publish_orders(any_live_hub, range(10, 20))
    events = any_live_hub.open("topics=orders", last_event_id=last).take(14)
    assert [event.data["value"] for event in events] == list(range(6, 20))
    assert [event.sequence for event in events] == list(range(7, 21))


def test_at_the_last_place_nothing_comes_again(live_hub: LiveHub) -> None:
    publish_orders(live_hub, range(3))
    client = live_hub.open("topics=orders")
    client.take(1)
    again = live_hub.open("topics=orders", last_event_id=disconnect(client))
    publish_orders(live_hub, range(3, 4))
    [event] = again.take(1)
    assert event.data["value"] == 3


def test_a_snapshot_that_was_missed_is_replayed(live_hub: LiveHub) -> None:
    client = live_hub.open("topics=orders")
    client.take(1)
    last = disconnect(client)
    publish_orders(live_hub, range(2))
    live_hub.load("orders", {"x": 7})
    snapshot = live_hub.open("topics=orders", last_event_id=last).take(3)[2]
    assert (snapshot.name, snapshot.sequence) == ("snapshot", 3)
    assert snapshot.data["data"] == [{"key": "x", "value": 7}]


@pytest.mark.parametrize("sequence", [0, 4])
def test_an_id_of_another_start_begins_anew(live_hub: LiveHub, sequence: int) -> None:
    publish_orders(live_hub, range(4))
    events = live_hub.open("topics=orders,bot", last_event_id=f"18c0ffee-{sequence}").take(3)
    assert [event.name for event in events] == ["reset", "snapshot", "snapshot"]
    assert (events[0].id, events[1].id, events[2].sequence) == (None, None, 4)
    assert len(events[1].data["data"]) == 4


def test_an_id_that_was_never_given_out_begins_anew(live_hub: LiveHub) -> None:
    client = live_hub.open("topics=orders")
    client.take(1)
    start = disconnect(client).partition("-")[0]
    events = live_hub.open("topics=orders", last_event_id=f"{start}-999").take(2)
    assert [event.name for event in events] == ["reset", "snapshot"]


def test_a_place_too_far_back_begins_anew(start_live_hub: StartLiveHub) -> None:
    live_hub = start_live_hub(capacity=100)
    client = live_hub.open("topics=orders")
    client.take(1)
    last = disconnect(client)
    publish_orders(live_hub, range(101))
    reset, snapshot = live_hub.open("topics=orders", last_event_id=last).take(2)
    assert (reset.name, snapshot.name, snapshot.sequence) == ("reset", "snapshot", 101)
    assert len(snapshot.data["data"]) == 101


def test_the_oldest_place_that_is_kept_still_resumes(start_live_hub: StartLiveHub) -> None:
    live_hub = start_live_hub(capacity=100)
    client = live_hub.open("topics=orders")
    client.take(1)
    last = disconnect(client)
    publish_orders(live_hub, range(100))
    events = live_hub.open("topics=orders", last_event_id=last).take(100)
    assert [event.data["value"] for event in events] == list(range(100))


def test_a_flood_of_prices_pushes_out_no_order(start_live_hub: StartLiveHub) -> None:
    live_hub = start_live_hub(capacity=100)
    client = live_hub.open("topics=prices,orders")
    client.take(2)
    last = disconnect(client)
    live_hub.publish("orders", "a", 1)
    for number in range(500):
        live_hub.publish("prices", BTC, number, symbol=BTC)
        live_hub.publish("prices", ETH, number, symbol=ETH)
    live_hub.publish("orders", "b", 2)
    events = live_hub.open("topics=prices,orders", last_event_id=last).take(4)
    seen = [(event.data["key"], event.data["value"]) for event in events]
    assert seen == [("a", 1), (BTC, 499), (ETH, 499), ("b", 2)]


def test_other_topics_push_out_no_place_of_this_one(start_live_hub: StartLiveHub) -> None:
    live_hub = start_live_hub(capacity=100)
    client = live_hub.open("topics=orders")
    client.take(1)
    last = disconnect(client)
    for number in range(500):
        live_hub.publish("portfolio", "portfolio", number)
    live_hub.publish("orders", "a", 1)
    [event] = live_hub.open("topics=orders", last_event_id=last).take(1)
    assert (event.name, event.data["value"]) == ("orders_changed", 1)


def test_every_price_is_replayed_while_the_buffer_reaches(start_live_hub: StartLiveHub) -> None:
    live_hub = start_live_hub(capacity=100)
    client = live_hub.open("topics=prices")
    client.take(1)
    last = disconnect(client)
    for number in range(100):
        live_hub.publish("prices", BTC, number, symbol=BTC)
    events = live_hub.open("topics=prices", last_event_id=last).take(100)
    assert [event.data["value"] for event in events] == list(range(100))


MALFORMED = [
    "x",
    "-",
    "12",
    "abc-",
    "-5",
    "abc-x",
    "ABC-1",
    "abc-1-1",
    "abc--1",
    "abc-1.5",
    "ab c-1",
    "abc-" + "9" * 32,
    "a" * 17 + "-1",
    "abc-\u0661".encode().decode("latin-1"),
]


@pytest.mark.parametrize("last_event_id", MALFORMED)
def test_a_malformed_id_is_refused(live_hub: LiveHub, last_event_id: str) -> None:
    client = live_hub.open("topics=orders", last_event_id=last_event_id)
    assert client.status == 400
    assert client.body() == b"malformed_request"
