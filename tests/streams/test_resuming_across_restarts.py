"""Coming back after the server was restarted, or from further back than its buffer reaches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from backend.errors import EventsGone, MalformedRequest, StoreUnavailable
from backend.schemas.common import utc_now
from backend.streams import Intervals
from backend.streams.journal_reader import PAGE_SIZE
from tests.streams.journalled_hub import House
from tests.streams.live_hub import Live
from tests.streams.stream_client import Sse, SseClient, wait_until

BTC, ETH = "BTC/USDT", "ETH/USDT"
StartHouse = Callable[..., House]


@pytest.fixture
def start_house(tmp_path: Path) -> Iterator[StartHouse]:
    houses: list[House] = []

    def start(**settings: Any) -> House:
        houses.append(House(tmp_path, **settings))
        return houses[-1]

    yield start
    for house in houses:
        house.close()


@pytest.fixture
def house(start_house: StartHouse) -> House:
    return start_house()


def follow(house: House, query: str, snapshots: int = 1) -> str:
    """Open a stream, take its beginning, lose it; return the last id."""
    house.settle()
    client = house.open(query)
    client.take(snapshots)
    client.close()
    assert client.last_id is not None
    return client.last_id


def values(events: list[Sse]) -> list[int]:
    return [event.data["value"] for event in events]


def test_what_happened_before_and_after_a_restart_comes_once_and_in_order(house: House) -> None:
    house.publish("orders", "a", 1)
    last = follow(house, "topics=orders,trades", 2)
    house.publish("orders", "a", 2)
    house.publish("trades", "t", 3)
    house.restart()
    house.publish("orders", "b", 4)
    house.settle()
    client = house.open("topics=orders,trades", last_event_id=last)
    house.publish("trades", "u", 5)
    events = client.take(4)
    assert values(events) == [2, 3, 4, 5]
    assert [event.name for event in events] == [
        f"{topic}_changed" for topic in ("orders", "trades", "orders", "trades")
    ]


def test_the_id_of_a_replayed_event_resumes_as_well(house: House) -> None:
    last = follow(house, "topics=orders")
    for number in range(6):
        house.publish("orders", "a", number)
    house.restart()
    client = house.open("topics=orders", last_event_id=last)
    assert values(client.take(3)) == [0, 1, 2]
    client.close()
    again = house.open("topics=orders", last_event_id=client.last_id)
    assert values(again.take(3)) == [3, 4, 5]
    again.close()
    house.restart()
    once_more = house.open("topics=orders", last_event_id=again.last_id)
    house.publish("orders", "a", 6)
    assert values(once_more.take(1)) == [6]


def test_a_place_between_two_orders_tells_which_were_missed(house: House) -> None:
    house.publish("orders", "a", 1)
    house.settle()
    client = house.open("topics=orders,prices")
    client.take(2)
    house.publish("orders", "a", 2)
    for number in range(3):
        house.publish("prices", BTC, number, symbol=BTC)
    house.publish("orders", "a", 3)
    house.settle()
    while client.take(1)[0].data != {"key": BTC, "value": 1}:
        pass
    client.close()
    house.restart()
    events = house.open("topics=orders,prices", last_event_id=client.last_id).take(2)
    assert (events[0].name, events[0].data["value"]) == ("orders_changed", 3)
    assert (events[1].name, events[1].data["topic"]) == ("snapshot", "prices")


def test_what_is_not_in_the_journal_comes_as_it_stands(house: House) -> None:
    last = follow(house, "topics=prices,orders,portfolio", 3)
    house.publish("orders", "a", 1)
    house.restart()
    house.publish("prices", BTC, 7, symbol=BTC)
    house.publish("portfolio", "portfolio", 8)
    house.settle()
    client = house.open("topics=prices,orders,portfolio", last_event_id=last)
    order, prices, portfolio = client.take(3)
    assert (order.name, order.data["value"]) == ("orders_changed", 1)
    assert prices.data["data"] == [{"key": BTC, "value": 7}]
    assert portfolio.data["data"] == {"key": "portfolio", "value": 8}
    assert (order.id is None, prices.id, portfolio.id is None) == (False, None, False)
    house.publish("orders", "a", 2)
    [event] = client.take(1)
    assert event.data["value"] == 2


def test_symbols_choose_from_the_journal_too(house: House) -> None:
    last = follow(house, "topics=orders")
    for number, symbol in enumerate((BTC, ETH, None, BTC)):
        house.publish("orders", f"o{number}", number, symbol=symbol)
    house.restart()
    events = house.open(f"topics=orders&symbols={ETH}", last_event_id=last).take(2)
    assert values(events) == [1, 2]


@pytest.mark.parametrize("way_out", ["handed over", "greenlets", "threads"])
def test_more_than_a_page_is_told_in_full(start_house: StartHouse, way_out: str) -> None:
    count = 2 * PAGE_SIZE + 10
    house = start_house(way_out=way_out)
    last = follow(house, "topics=orders,trades", 2)
    for number in range(count):
        house.publish("orders", "a", number)
    house.settle()
    house.restart()
    client = house.open("topics=orders,trades", last_event_id=last)
    assert values(client.take(count)) == list(range(count))


def test_a_place_beyond_the_buffer_is_served_from_the_journal(start_house: StartHouse) -> None:
    house = start_house(capacity=100)
    last = follow(house, "topics=orders,bot", 2)
    for number in range(250):
        house.publish("orders", "a", number)
    house.publish("bot", "bot", 1)
    house.settle()
    client = house.open("topics=orders,bot", last_event_id=last)
    assert values(client.take(250)) == list(range(250))
    assert client.take(1)[0].data["data"] == {"key": "bot", "value": 1}


def test_who_reads_slower_than_the_buffer_gets_the_rest_from_the_journal(
    start_house: StartHouse,
) -> None:
    count = 800
    house = start_house(capacity=100)
    client = house.open("topics=orders,bot", receive_buffer=4096)
    client.take(2)
    for number in range(count):
        house.publish("orders", "a", number, pad=5000)
    house.settle()
    wait_until(lambda: house.live.hub.lagging_streams == 1)
    house.publish("bot", "bot", 1)
    house.settle()
    events = client.until("snapshot")
    house.publish("orders", "b", count)
    [last] = client.take(1)
    told = [event for event in events if event.name == "orders_changed"]
    assert values([*told, last]) == list(range(count + 1))
    assert [event.name for event in events].count("reset") == 0
    assert events[-1].data["data"] == {"key": "bot", "value": 1}


def test_an_order_that_is_not_in_the_journal_and_left_the_buffer_resets(
    start_house: StartHouse,
) -> None:
    house = start_house(capacity=100)
    last = follow(house, "topics=orders")
    house.live.publish("orders", "unwritten", 1)
    for number in range(150):
        house.publish("orders", "a", number)
    house.settle()
    reset, snapshot = house.open("topics=orders", last_event_id=last).take(2)
    assert (reset.name, snapshot.name) == ("reset", "snapshot")
    assert snapshot.data["data"] == [{"key": "unwritten", "value": 1}, {"key": "a", "value": 149}]


def test_what_is_forgotten_begins_anew(house: House) -> None:
    house.publish("orders", "a", 1)
    last = follow(house, "topics=orders")
    for number in range(3):
        house.publish("orders", "a", number)
    house.settle()
    house.journal.delete_events_before(utc_now() + timedelta(hours=1))
    house.restart()
    house.live.load("orders", {"a": 2})
    reset, snapshot = house.open("topics=orders", last_event_id=last).take(2)
    assert (reset.name, snapshot.name) == ("reset", "snapshot")
    assert snapshot.data["data"] == [{"key": "a", "value": 2}]


def test_an_id_that_no_event_can_have_yet_begins_anew(house: House) -> None:
    house.publish("orders", "a", 1)
    last = follow(house, "topics=orders")
    start, _, sequence = last.partition("-")
    house.settle()
    for unknown in ("0-999", f"abc-{2**60}", f"{start}-{int(sequence) + 1}"):
        reset, snapshot = house.open("topics=orders", last_event_id=unknown).take(2)
        assert (reset.name, snapshot.name) == ("reset", "snapshot")


def test_prices_alone_begin_anew(house: House) -> None:
    house.publish("orders", "a", 1)
    last = follow(house, "topics=prices")
    house.restart()
    reset, snapshot = house.open("topics=prices", last_event_id=last).take(2)
    assert (reset.name, snapshot.name) == ("reset", "snapshot")


def test_a_journal_that_cannot_be_read_ends_the_stream_and_loses_nothing(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    last = follow(house, "topics=orders")
    house.publish("orders", "a", 1)
    house.restart()
    rename(house, "journal_events", "elsewhere")
    assert house.open("topics=orders", last_event_id=last).rest() == []
    rename(house, "elsewhere", "journal_events")
    assert values(house.open("topics=orders", last_event_id=last).take(1)) == [1]
    assert "the journal could not be read" in capsys.readouterr().out


def rename(house: House, table: str, name: str) -> None:
    with house.database.engine.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO {name}")


def test_a_crowd_that_comes_back_at_once_gets_it_all(house: House) -> None:
    last = follow(house, "topics=orders")
    for number in range(20):
        house.publish("orders", "a", number)
    house.restart()
    crowd: list[SseClient] = [house.open("topics=orders", last_event_id=last) for _ in range(50)]
    house.publish("orders", "a", 20)
    assert [values(client.take(21)) for client in crowd] == [list(range(21))] * 50


def test_a_client_that_reads_nothing_of_its_replay_is_cut_off(start_house: StartHouse) -> None:
    house = start_house()
    last = follow(house, "topics=orders")
    for number in range(1500):
        house.publish("orders", "a", number, pad=4000)
    house.settle()
    house.restart(max_streams=1, intervals=Intervals(stall_timeout_s=0.5))
    client = house.open("topics=orders", last_event_id=last, receive_buffer=4096)
    client.take(1)
    wait_until(lambda: house.open("topics=orders").status == 200)
    client.close()


def test_old_events_are_forgotten_at_the_start(start_house: StartHouse) -> None:
    house = start_house()
    for number in range(3):
        house.publish("orders", "a", number)
    house.settle()
    house.restart(retention=timedelta(0))
    wait_until(lambda: len(house.journal.events_after(0, ["orders"], 10)) == 1)


def test_past_events_come_in_pages(house: House) -> None:
    for number in range(5):
        house.publish("trades" if number == 2 else "orders", "a", number)
    house.settle()
    hub = house.live.hub
    first = hub.past_events(None, ("orders", "trades"), 2)
    second = hub.past_events(first.pagination.next_cursor, ("orders", "trades"), 3)
    shown = [*first.data, *second.data]
    assert [event.data["value"] for event in shown] == [0, 1, 2, 3, 4]
    assert [event.topic for event in shown] == ["orders", "orders", "trades", "orders", "orders"]
    assert second.pagination.next_cursor is None
    assert hub.past_events(shown[-1].id, ("orders",), 10).data == []


def test_past_events_follow_an_id_of_a_stream(house: House) -> None:
    house.publish("orders", "a", 0)
    last = follow(house, "topics=orders")
    house.publish("orders", "a", 1)
    house.restart()
    [event] = house.live.hub.past_events(last, ("orders",), 10).data
    assert (event.event, event.data) == ("orders_changed", {"key": "a", "value": 1})


def test_past_events_that_are_gone_are_not_passed_over(house: House) -> None:
    for number in range(3):
        house.publish("orders", "a", number)
    house.settle()
    house.journal.delete_events_before(utc_now() + timedelta(hours=1))
    hub = house.live.hub
    for gone in ("0-1", "0-99", f"abc-{2**90}"):
        with pytest.raises(EventsGone):
            hub.past_events(gone, ("orders",), 10)
    assert [event.data["value"] for event in hub.past_events(None, ("orders",), 10).data] == [2]
    with pytest.raises(MalformedRequest):
        hub.past_events("nonsense", ("orders",), 10)


def test_past_events_need_a_journal_that_can_be_read(house: House, live: Live) -> None:
    rename(house, "journal_events", "elsewhere")
    for hub in (house.live.hub, live.hub):
        with pytest.raises(StoreUnavailable):
            hub.past_events(None, ("orders",), 10)
    rename(house, "elsewhere", "journal_events")
