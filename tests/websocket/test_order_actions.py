"""Order actions of a WebSocket have the effects and errors of the HTTP routes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api_client import ApiClient
from tests.streams.stream_client import wait_until
from tests.websocket.conftest import Connect

pytestmark = pytest.mark.every_line

PAGE = Path(__file__).parents[2] / "docs" / "streaming.md"
RESTING = {"symbol": "BTC/USDT", "side": "buy", "type": "limit", "quantity": "0.01"}
LIMIT = {**RESTING, "price": "20000"}
OF_THE_SOCKET = {"id", "action", "status"}
OF_THE_MOMENT = {"request_id", "timestamp"}


@pytest.fixture(autouse=True)
def _pinned(client: ApiClient) -> Iterator[None]:
    """Begin with a steady price, end without open orders."""
    client.as_admin().put("/sandbox/prices/BTC-USDT", json={"price": "40000", "hold": True})
    trader = client.as_trader()
    wait_until(lambda: trader.bots_price() == "40000")
    yield
    trader.delete("/orders")


def lasting(answer: dict[str, Any]) -> dict[str, Any]:
    """Leave out what differs between any two answers."""
    return {key: answer[key] for key in answer.keys() - OF_THE_SOCKET - OF_THE_MOMENT}


def test_an_order_is_placed_changed_and_canceled(connect: Connect, client: ApiClient) -> None:
    peer, trader = connect(), client.as_trader()
    placed = peer.request("order.create", **LIMIT)
    order = placed["data"]
    assert (placed["status"], placed["success"], order["status"]) == (201, True, "open")
    assert trader.get(f"/orders/{order['id']}") == order
    changed = peer.request("order.edit", order_id=order["id"], price="19000")
    assert (changed["status"], changed["data"]["order"]["price"]) == (200, "19000")
    order_id = changed["data"]["order"]["id"]
    canceled = peer.request("order.cancel", order_id=order_id)
    assert (canceled["status"], canceled["data"]["status"]) == (200, "canceled")
    assert trader.get("/orders") == []


@pytest.mark.parametrize(
    "change",
    [
        {"symbol": "BTC/USD"},
        {"quantity": "0"},
        {"quantity": 0.010001},
        {"quantity": "NaN"},
        {"quantity": 10**40},
        {"price": None},
        {"price": "20000.001"},
        {"quantity": "100"},
        {"surprise": 1},
        {"tag": "é" * 200},
        {"exchange": "elsewhere"},
    ],
)
def test_a_bad_order_is_refused_as_over_http(
    connect: Connect, client: ApiClient, change: dict[str, Any]
) -> None:
    trader, peer = client.as_trader(), connect()
    refused = peer.request("order.create", **LIMIT | change)
    response = trader.send("POST", "/orders", json=LIMIT | change)
    assert response.status_code == refused["status"] >= 400
    assert lasting(refused) == lasting(response.get_json())
    assert trader.get("/orders") == []


@pytest.mark.parametrize(
    ("action", "data", "status", "kind"),
    [
        ("order.cancel", {"order_id": "nope"}, 404, "order_not_found"),
        ("order.edit", {"order_id": "nope", "price": "1"}, 404, "order_not_found"),
        ("order.cancel", {"order_id": "../auth/me"}, 400, "validation_error"),
        ("order.cancel", {"order_id": ""}, 400, "validation_error"),
        ("order.cancel", {"order_id": "x\r\ny"}, 400, "validation_error"),
        ("order.cancel", {"order_id": 7}, 400, "validation_error"),
        ("order.cancel", {"order_id": "a?b=%2e"}, 404, "order_not_found"),
        ("order.cancel", {"order_id": "é✓"}, 404, "order_not_found"),
        ("order.cancel", {"order_id": "x", "price": "1"}, 400, "validation_error"),
        ("order.cancel", {}, 400, "validation_error"),
        ("order.edit", {"order_id": "x"}, 400, "validation_error"),
        ("order.edit", {"price": "1"}, 400, "validation_error"),
    ],
)
def test_an_order_that_cannot_be_meant_is_refused(
    connect: Connect, action: str, data: dict[str, Any], status: int, kind: str
) -> None:
    refused = connect().request(action, **data)
    assert (refused["status"], refused["type"]) == (status, kind)


def test_a_side_that_is_given_twice_is_neither(connect: Connect, client: ApiClient) -> None:
    peer = connect()
    order = json.dumps(LIMIT)[:-1] + ', "side": "sell"}'
    peer.send('{"action": "order.create", "id": 7, "data": ' + order + "}")
    answer = peer.receive_reply()
    assert (answer["id"], answer["status"], answer["type"]) == (7, 400, "malformed_request")
    assert answer["fields"] == [{"field": "side", "message": "is given more than once"}]
    assert client.as_trader().get("/orders") == []


def test_a_key_names_one_order_through_both_doors(connect: Connect, client: ApiClient) -> None:
    trader, peer = client.as_trader(), connect()
    first = trader.send("POST", "/orders", json=LIMIT, headers={"Idempotency-Key": "twice-1"})
    again = peer.request("order.create", key="twice-1", **LIMIT)
    assert again["data"]["id"] == first.get_json()["data"]["id"]
    other = peer.request("order.create", key="twice-1", **LIMIT | {"quantity": "0.02"})
    assert (other["status"], other["type"]) == (409, "duplicate_order")
    assert len(trader.get("/orders")) == 1
    assert peer.request("order.create", key="no good", **LIMIT)["fields"][0]["field"] == (
        "Idempotency-Key"
    )


def test_answers_bear_the_ids_of_their_requests(connect: Connect) -> None:
    peer = connect()
    for number in range(20):
        peer.send_request("order.create", number, **LIMIT | {"client_order_id": f"many-{number}"})
    answers = [peer.receive_reply() for _ in range(20)]
    told = {answer["id"]: answer["data"]["client_order_id"] for answer in answers}
    assert told == {number: f"many-{number}" for number in range(20)}


def test_a_viewer_may_watch_and_not_trade(connect: Connect, client: ApiClient) -> None:
    viewer = client.as_viewer()
    peer = connect(headers=viewer.headers)
    refused = peer.request("order.create", **LIMIT)
    over_http = viewer.post("/orders", json=LIMIT, expect=403)
    assert lasting(refused) == lasting(over_http)
    assert peer.request("subscribe", topics=["orders"])["status"] == 200


def test_orders_of_sockets_are_in_the_audit(connect: Connect, client: ApiClient) -> None:
    peer = connect()
    canceled = peer.request("order.cancel", order_id="not-there")
    admin = client.as_admin()

    def entries() -> list[dict[str, Any]]:
        found = admin.get("/audit")
        return [row for row in found if row["request_id"] == canceled["request_id"]]

    wait_until(entries)
    [entry] = entries()
    assert (entry["username"], entry["method"], entry["status"]) == ("trader", "DELETE", 404)
    assert entry["path"] == "/api/v1/orders/not-there"
    assert entry["address"] == "127.0.0.1"


def test_a_stopped_bot_is_told_as_over_http(connect: Connect, client: ApiClient) -> None:
    admin, peer = client.as_admin(), connect()
    admin.post("/bot/stop")
    wait_until(lambda: admin.get("/bot")["state"] == "stopped")
    refused = peer.request("order.create", **LIMIT)
    over_http = client.as_trader().send("POST", "/orders", json=LIMIT)
    admin.post("/bot/start", expect=202)
    wait_until(lambda: admin.get("/bot")["state"] == "running", 60)
    assert (refused["status"], refused["type"]) == (503, "bot_not_ready")
    assert refused["retry_after"] == int(over_http.headers["Retry-After"])


def test_the_documented_messages_are_understood(connect: Connect) -> None:
    [block] = re.findall(r"^```json\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    peer, order_id, statuses = connect(), "", []
    for line in block.splitlines():
        peer.send(line.replace("…", order_id))
        answer = peer.receive_reply()
        assert answer["id"] == json.loads(line)["id"]
        statuses.append(answer["status"])
        data = answer["data"]
        order_id = data.get("order", data).get("id", order_id)
    assert statuses == [200, 200, 201, 200, 200, 200]
