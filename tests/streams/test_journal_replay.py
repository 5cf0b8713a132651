"""Replay of journalled events that the log no longer holds, and its failures."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backend.schemas.common import utc_now
from backend.streams import Intervals
from backend.streams.journal_reader import PAGE_SIZE
from tests.streams.conftest import StartJournalledHub
from tests.streams.journalled_hub import JournalledHub, follow, rename, values
from tests.streams.stream_client import wait_until


@pytest.mark.parametrize("transport", ["handed over", "greenlets", "threads"])
def test_more_than_a_page_is_told_in_full(
    start_journalled_hub: StartJournalledHub, transport: str
) -> None:
    count = 2 * PAGE_SIZE + 10
    journalled_hub = start_journalled_hub(transport=transport)
    last = follow(journalled_hub, "topics=orders,trades", 2)
    for number in range(count):
        journalled_hub.publish("orders", "a", number)
    journalled_hub.settle()
    journalled_hub.restart()
    client = journalled_hub.open("topics=orders,trades", last_event_id=last)
    assert values(client.take(count)) == list(range(count))


def test_a_place_beyond_the_buffer_is_served_from_the_journal(
    start_journalled_hub: StartJournalledHub,
) -> None:
    journalled_hub = start_journalled_hub(capacity=100)
    last = follow(journalled_hub, "topics=orders,bot", 2)
    for number in range(250):
        journalled_hub.publish("orders", "a", number)
    journalled_hub.publish("bot", "bot", 1)
    journalled_hub.settle()
    client = journalled_hub.open("topics=orders,bot", last_event_id=last)
    assert values(client.take(250)) == list(range(250))
    assert client.take(1)[0].data["data"] == {"key": "bot", "value": 1}


def test_who_reads_slower_than_the_buffer_gets_the_rest_from_the_journal(
    start_journalled_hub: StartJournalledHub,
) -> None:
    count = 800
    journalled_hub = start_journalled_hub(capacity=100)
    client = journalled_hub.open("topics=orders,bot", receive_buffer=4096)
    client.take(2)
    for number in range(count):
        journalled_hub.publish("orders", "a", number, pad=5000)
    journalled_hub.settle()
    wait_until(lambda: journalled_hub.live_hub.hub.lagging_streams == 1)
    journalled_hub.publish("bot", "bot", 1)
    journalled_hub.settle()
    events = client.until("snapshot")
    journalled_hub.publish("orders", "b", count)
    [last] = client.take(1)
    told = [event for event in events if event.name == "orders_changed"]
    assert values([*told, last]) == list(range(count + 1))
    assert [event.name for event in events].count("reset") == 0
    assert events[-1].data["data"] == {"key": "bot", "value": 1}


def test_an_order_that_is_not_in_the_journal_and_left_the_buffer_resets(
    start_journalled_hub: StartJournalledHub,
) -> None:
    journalled_hub = start_journalled_hub(capacity=100)
    last = follow(journalled_hub, "topics=orders")
    journalled_hub.live_hub.publish("orders", "unwritten", 1)
    for number in range(150):
        journalled_hub.publish("orders", "a", number)
    journalled_hub.settle()
    reset, snapshot = journalled_hub.open("topics=orders", last_event_id=last).take(2)
    assert (reset.name, snapshot.name) == ("reset", "snapshot")
    assert snapshot.data["data"] == [{"key": "unwritten", "value": 1}, {"key": "a", "value": 149}]


def test_what_is_forgotten_begins_anew(journalled_hub: JournalledHub) -> None:
    journalled_hub.publish("orders", "a", 1)
    last = follow(journalled_hub, "topics=orders")
    for number in range(3):
        journalled_hub.publish("orders", "a", number)
    journalled_hub.settle()
    journalled_hub.journal.delete_events_before(utc_now() + timedelta(hours=1))
    journalled_hub.restart()
    journalled_hub.live_hub.load("orders", {"a": 2})
    reset, snapshot = journalled_hub.open("topics=orders", last_event_id=last).take(2)
    assert (reset.name, snapshot.name) == ("reset", "snapshot")
    assert snapshot.data["data"] == [{"key": "a", "value": 2}]


def test_an_id_that_no_event_can_have_yet_begins_anew(journalled_hub: JournalledHub) -> None:
    journalled_hub.publish("orders", "a", 1)
    last = follow(journalled_hub, "topics=orders")
    start, _, sequence = last.partition("-")
    journalled_hub.settle()
    for unknown in ("0-999", f"abc-{2**60}", f"{start}-{int(sequence) + 1}"):
        reset, snapshot = journalled_hub.open("topics=orders", last_event_id=unknown).take(2)
        assert (reset.name, snapshot.name) == ("reset", "snapshot")


def test_prices_alone_begin_anew(journalled_hub: JournalledHub) -> None:
    journalled_hub.publish("orders", "a", 1)
    last = follow(journalled_hub, "topics=prices")
    journalled_hub.restart()
    reset, snapshot = journalled_hub.open("topics=prices", last_event_id=last).take(2)
    assert (reset.name, snapshot.name) == ("reset", "snapshot")


def test_a_journal_that_cannot_be_read_ends_the_stream_and_loses_nothing(
    journalled_hub: JournalledHub, capsys: pytest.CaptureFixture[str]
) -> None:
    last = follow(journalled_hub, "topics=orders")
    journalled_hub.publish("orders", "a", 1)
    journalled_hub.restart()
    rename(journalled_hub, "journal_events", "elsewhere")
    assert journalled_hub.open("topics=orders", last_event_id=last).rest() == []
    rename(journalled_hub, "elsewhere", "journal_events")
    assert values(journalled_hub.open("topics=orders", last_event_id=last).take(1)) == [1]
    assert "the journal could not be read" in capsys.readouterr().out


def test_a_client_that_reads_nothing_of_its_replay_is_cut_off(
    start_journalled_hub: StartJournalledHub,
) -> None:
    journalled_hub = start_journalled_hub()
    last = follow(journalled_hub, "topics=orders")
    for number in range(1500):
        journalled_hub.publish("orders", "a", number, pad=4000)
    journalled_hub.settle()
    journalled_hub.restart(max_streams=1, intervals=Intervals(stall_timeout_s=0.5))
    client = journalled_hub.open("topics=orders", last_event_id=last, receive_buffer=4096)
    client.take(1)
    wait_until(lambda: journalled_hub.open("topics=orders").status == 200)
    client.close()


def test_old_events_are_forgotten_at_the_start(start_journalled_hub: StartJournalledHub) -> None:
    journalled_hub = start_journalled_hub()
    for number in range(3):
        journalled_hub.publish("orders", "a", number)
    journalled_hub.settle()
    journalled_hub.restart(retention=timedelta(0))
    wait_until(lambda: len(journalled_hub.journal.events_after(0, ["orders"], 10)) == 1)
