"""GET /events, with a real bot."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api_client import ApiClient
from tests.streams.stream_client import wait_until

ORDER = {"symbol": "BTC/USDT", "side": "buy", "type": "market", "quantity": "0.001"}


def place(client: ApiClient) -> dict[str, Any]:
    """Place a market order and wait until its trade is told."""
    order: dict[str, Any] = client.as_trader().post("/orders", json=ORDER, expect=201)
    wait_until(lambda: ("trade", order["id"]) in told(client))
    return order


def told(client: ApiClient, query: str = "") -> list[tuple[str, str]]:
    events = client.as_trader().get(f"/events?limit=500{query}")
    return [
        (event["event"], event["data"].get("order", {}).get("id") or order_of(event))
        for event in events
    ]


def order_of(event: dict[str, Any]) -> str:
    return str(event["data"]["trade"]["order_id"])


def test_what_an_order_came_to_is_listed_oldest_first(client: ApiClient) -> None:
    order = place(client)
    names = [name for name, order_id in told(client) if order_id == order["id"]]
    assert (names[0], names[-2:]) == ("order_created", ["order_filled", "trade"])


def test_topics_choose(client: ApiClient) -> None:
    order = place(client)
    trades = told(client, "&topics=trades")
    assert trades[-1] == ("trade", order["id"])
    assert {name for name, _ in trades} == {"trade"}
    assert "trade" not in {name for name, _ in told(client, "&topics=orders,positions")}


def test_pages_join_without_gap_or_repeat(client: ApiClient) -> None:
    place(client)
    trader = client.as_trader()
    everything = trader.get("/events?limit=500")
    paged: list[dict[str, Any]] = []
    query = "limit=1"
    while query:
        page = trader.send("GET", f"/events?{query}").json
        paged += page["data"]
        cursor = page["pagination"]["next_cursor"]
        query = cursor and f"limit=2&cursor={cursor}"
    assert paged == everything
    after_first = trader.get(f"/events?limit=500&after={everything[0]['id']}")
    assert after_first == everything[1:]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("topics=prices", "topics"),
        ("topics=", "topics"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("after=" + "1" * 51, "after"),
        ("after=0-1&cursor=0-1", "cursor"),
        ("since=1", "since"),
    ],
)
def test_what_is_not_known_is_refused_by_name(client: ApiClient, query: str, field: str) -> None:
    problem = client.as_viewer().get(f"/events?{query}", expect=400)
    assert [row["field"] for row in problem["fields"]] == [field]


@pytest.mark.parametrize(
    ("query", "status", "kind"),
    [
        ("after=nonsense", 400, "malformed_request"),
        ("cursor=nonsense", 400, "malformed_request"),
        ("after=0-999999", 410, "events_gone"),
        ("after=0-" + "9" * 31, 410, "events_gone"),
    ],
)
def test_an_id_that_leads_nowhere_is_refused(
    client: ApiClient, query: str, status: int, kind: str
) -> None:
    assert client.as_viewer().get(f"/events?{query}", expect=status)["type"] == kind


def test_events_are_for_the_authenticated(client: ApiClient) -> None:
    assert client.get("/events", expect=401)["type"] == "not_authenticated"
