"""Resuming a stream after a restart of the server, from the journal."""

from __future__ import annotations

from tests.streams.journalled_hub import JournalledHub, follow, values
from tests.streams.stream_client import SseClient

BTC, ETH = "BTC/USDT", "ETH/USDT"


def test_what_happened_before_and_after_a_restart_comes_once_and_in_order(
    journalled_hub: JournalledHub,
) -> None:
    journalled_hub.publish("orders", "a", 1)
    last = follow(journalled_hub, "topics=orders,trades", 2)
    journalled_hub.publish("orders", "a", 2)
    journalled_hub.publish("trades", "t", 3)
    journalled_hub.restart()
    journalled_hub.publish("orders", "b", 4)
    journalled_hub.settle()
    client = journalled_hub.open("topics=orders,trades", last_event_id=last)
    journalled_hub.publish("trades", "u", 5)
    events = client.take(4)
    assert values(events) == [2, 3, 4, 5]
    assert [event.name for event in events] == [
        f"{topic}_changed" for topic in ("orders", "trades", "orders", "trades")
    ]


def test_the_id_of_a_replayed_event_resumes_as_well(journalled_hub: JournalledHub) -> None:
    last = follow(journalled_hub, "topics=orders")
    for number in range(6):
        journalled_hub.publish("orders", "a", number)
    journalled_hub.restart()
    client = journalled_hub.open("topics=orders", last_event_id=last)
    assert values(client.take(3)) == [0, 1, 2]
    client.close()
    again = journalled_hub.open("topics=orders", last_event_id=client.last_id)
    assert values(again.take(3)) == [3, 4, 5]
    again.close()
    journalled_hub.restart()
    once_more = journalled_hub.open("topics=orders", last_event_id=again.last_id)
    journalled_hub.publish("orders", "a", 6)
    assert values(once_more.take(1)) == [6]


def test_a_place_between_two_orders_tells_which_were_missed(journalled_hub: JournalledHub) -> None:
    journalled_hub.publish("orders", "a", 1)
    journalled_hub.settle()
    client = journalled_hub.open("topics=orders,prices")
    client.take(2)
    journalled_hub.publish("orders", "a", 2)
    for number in range(3):
        journalled_hub.publish("prices", BTC, number, symbol=BTC)
    journalled_hub.publish("orders", "a", 3)
    journalled_hub.settle()
    while client.take(1)[0].data != {"key": BTC, "value": 1}:
        pass
    client.close()
    journalled_hub.restart()
    events = journalled_hub.open("topics=orders,prices", last_event_id=client.last_id).take(2)
    assert (events[0].name, events[0].data["value"]) == ("orders_changed", 3)
    assert (events[1].name, events[1].data["topic"]) == ("snapshot", "prices")


def test_what_is_not_in_the_journal_comes_as_it_stands(journalled_hub: JournalledHub) -> None:
    last = follow(journalled_hub, "topics=prices,orders,portfolio", 3)
    journalled_hub.publish("orders", "a", 1)
    journalled_hub.restart()
    journalled_hub.publish("prices", BTC, 7, symbol=BTC)
    journalled_hub.publish("portfolio", "portfolio", 8)
    journalled_hub.settle()
    client = journalled_hub.open("topics=prices,orders,portfolio", last_event_id=last)
    order, prices, portfolio = client.take(3)
    assert (order.name, order.data["value"]) == ("orders_changed", 1)
    assert prices.data["data"] == [{"key": BTC, "value": 7}]
    assert portfolio.data["data"] == {"key": "portfolio", "value": 8}
    assert (order.id is None, prices.id, portfolio.id is None) == (False, None, False)
    journalled_hub.publish("orders", "a", 2)
    [event] = client.take(1)
    assert event.data["value"] == 2


def test_symbols_choose_from_the_journal_too(journalled_hub: JournalledHub) -> None:
    last = follow(journalled_hub, "topics=orders")
    for number, symbol in enumerate((BTC, ETH, None, BTC)):
        journalled_hub.publish("orders", f"o{number}", number, symbol=symbol)
    journalled_hub.restart()
    events = journalled_hub.open(f"topics=orders&symbols={ETH}", last_event_id=last).take(2)
    assert values(events) == [1, 2]


def test_a_crowd_that_comes_back_at_once_gets_it_all(journalled_hub: JournalledHub) -> None:
    last = follow(journalled_hub, "topics=orders")
    for number in range(20):
        journalled_hub.publish("orders", "a", number)
    journalled_hub.restart()
    crowd: list[SseClient] = [
        journalled_hub.open("topics=orders", last_event_id=last) for _ in range(50)
    ]
    journalled_hub.publish("orders", "a", 20)
    assert [values(client.take(21)) for client in crowd] == [list(range(21))] * 50
