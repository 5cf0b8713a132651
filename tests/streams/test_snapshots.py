"""Snapshots at the beginning of a stream."""

from __future__ import annotations

from tests.streams.live_hub import LiveHub


def values(data: list[dict[str, object]]) -> dict[object, object]:
    return {entry["key"]: entry["value"] for entry in data}


def test_a_stream_begins_with_one_snapshot_per_topic(any_live_hub: LiveHub) -> None:
    any_live_hub.publish("prices", "BTC/USDT", 1, symbol="BTC/USDT")
    any_live_hub.publish("prices", "BTC/USDT", 2, symbol="BTC/USDT")
    any_live_hub.publish("orders", "a", 3)
    client = any_live_hub.open("topics=prices,orders,portfolio")
    prices, orders, portfolio = client.take(3)
    assert {prices.name, orders.name, portfolio.name} == {"snapshot"}
    assert prices.data["topic"] == "prices"
    assert values(prices.data["data"]) == {"BTC/USDT": 2}
    assert values(orders.data["data"]) == {"a": 3}
    assert portfolio.data["topic"] == "portfolio"
    assert portfolio.data["data"] is None
    assert portfolio.sequence == 3


def test_only_the_last_snapshot_of_the_beginning_is_a_place_to_resume_from(
    live_hub: LiveHub,
) -> None:
    live_hub.publish("orders", "a", 1)
    first, second, third = live_hub.open("topics=orders,prices,bot").take(3)
    assert (first.id, second.id) == (None, None)
    assert third.sequence == 1


def test_what_follows_a_snapshot_is_exactly_what_it_does_not_hold(any_live_hub: LiveHub) -> None:
    client = any_live_hub.open("topics=orders")
    [snapshot] = client.take(1)
    for number in range(50):
        any_live_hub.publish("orders", f"o{number}", number)
    events = client.take(50)
    assert snapshot.data["data"] == []
    assert [event.data["value"] for event in events] == list(range(50))
    assert [event.sequence for event in events] == list(range(1, 51))


def test_what_has_ended_is_no_longer_in_a_snapshot(live_hub: LiveHub) -> None:
    live_hub.publish("orders", "a", 1)
    live_hub.publish("orders", "b", 2)
    live_hub.publish("orders", "a", None)
    [snapshot] = live_hub.open("topics=orders").take(1)
    assert values(snapshot.data["data"]) == {"b": 2}


def test_portfolio_and_bot_are_objects(live_hub: LiveHub) -> None:
    live_hub.publish("portfolio", "portfolio", 10)
    live_hub.publish("bot", "bot", 20)
    portfolio, bot = live_hub.open("topics=portfolio,bot").take(2)
    assert portfolio.data["data"] == {"key": "portfolio", "value": 10}
    assert bot.data["data"] == {"key": "bot", "value": 20}


def test_a_snapshot_holds_the_newest_hundred_trades(live_hub: LiveHub) -> None:
    for number in range(130):
        live_hub.publish("trades", f"t{number}", number)
    [snapshot] = live_hub.open("topics=trades").take(1)
    assert [trade["value"] for trade in snapshot.data["data"]] == list(range(30, 130))


def test_symbols_choose_but_let_pass_what_has_none(any_live_hub: LiveHub) -> None:
    any_live_hub.publish("orders", "a", 1, symbol="BTC/USDT")
    any_live_hub.publish("orders", "b", 2, symbol="ETH/USDT")
    client = any_live_hub.open("topics=orders,bot&symbols=ETH/USDT,XRP/USDT")
    orders, _bot = client.take(2)
    any_live_hub.publish("orders", "c", 3, symbol="BTC/USDT")
    any_live_hub.publish("orders", "d", 4, symbol="XRP/USDT")
    any_live_hub.publish("prices", "e", 5, symbol="ETH/USDT")
    any_live_hub.publish("bot", "bot", 6)
    any_live_hub.publish("orders", "f", 7, symbol="ETH/USDT")
    assert values(orders.data["data"]) == {"b": 2}
    assert [event.data["value"] for event in client.take(3)] == [4, 6, 7]


def test_loading_a_topic_sends_a_fresh_snapshot_in_its_place(any_live_hub: LiveHub) -> None:
    client = any_live_hub.open("topics=orders")
    client.take(1)
    any_live_hub.publish("orders", "a", 1)
    any_live_hub.load("orders", {"b": 2, "c": 3})
    any_live_hub.load("prices", {"BTC/USDT": 4})
    any_live_hub.publish("orders", "b", 5)
    first, snapshot, last = client.take(3)
    assert first.data["value"] == 1
    assert (snapshot.name, snapshot.sequence) == ("snapshot", 2)
    assert values(snapshot.data["data"]) == {"b": 2, "c": 3}
    assert (last.data["value"], last.sequence) == (5, 4)
    [newcomer] = any_live_hub.open("topics=orders").take(1)
    assert values(newcomer.data["data"]) == {"b": 5, "c": 3}
