"""Pages of journalled events (Hub.past_events)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backend.errors import EventsGone, MalformedRequest, StoreUnavailable
from backend.schemas.common import utc_now
from tests.streams.journalled_hub import JournalledHub, follow, rename
from tests.streams.live_hub import LiveHub


def test_past_events_come_in_pages(journalled_hub: JournalledHub) -> None:
    for number in range(5):
        journalled_hub.publish("trades" if number == 2 else "orders", "a", number)
    journalled_hub.settle()
    hub = journalled_hub.live_hub.hub
    first = hub.past_events(None, ("orders", "trades"), 2)
    second = hub.past_events(first.pagination.next_cursor, ("orders", "trades"), 3)
    shown = [*first.data, *second.data]
    assert [event.data["value"] for event in shown] == [0, 1, 2, 3, 4]
    assert [event.topic for event in shown] == ["orders", "orders", "trades", "orders", "orders"]
    assert second.pagination.next_cursor is None
    assert hub.past_events(shown[-1].id, ("orders",), 10).data == []


def test_past_events_follow_an_id_of_a_stream(journalled_hub: JournalledHub) -> None:
    journalled_hub.publish("orders", "a", 0)
    last = follow(journalled_hub, "topics=orders")
    journalled_hub.publish("orders", "a", 1)
    journalled_hub.restart()
    [event] = journalled_hub.live_hub.hub.past_events(last, ("orders",), 10).data
    assert (event.event, event.data) == ("orders_changed", {"key": "a", "value": 1})


def test_past_events_that_are_gone_are_not_passed_over(journalled_hub: JournalledHub) -> None:
    for number in range(3):
        journalled_hub.publish("orders", "a", number)
    journalled_hub.settle()
    journalled_hub.journal.delete_events_before(utc_now() + timedelta(hours=1))
    hub = journalled_hub.live_hub.hub
    for gone in ("0-1", "0-99", f"abc-{2**90}"):
        with pytest.raises(EventsGone):
            hub.past_events(gone, ("orders",), 10)
    assert [event.data["value"] for event in hub.past_events(None, ("orders",), 10).data] == [2]
    with pytest.raises(MalformedRequest):
        hub.past_events("nonsense", ("orders",), 10)


def test_past_events_need_a_journal_that_can_be_read(
    journalled_hub: JournalledHub, live_hub: LiveHub
) -> None:
    rename(journalled_hub, "journal_events", "elsewhere")
    for hub in (journalled_hub.live_hub.hub, live_hub.hub):
        with pytest.raises(StoreUnavailable):
            hub.past_events(None, ("orders",), 10)
    rename(journalled_hub, "elsewhere", "journal_events")
