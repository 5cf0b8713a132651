"""Events on a WebSocket: topics, filters, ids and resuming are those of the streams."""

from __future__ import annotations

import pytest

from tests.api_client import ApiClient
from tests.streams.stream_client import SseClient, wait_until
from tests.websocket.conftest import Connect
from tests.websocket.websocket_client import ACCEPT, WebSocketClient

BASE = "/api/v1/stream"


def follow_until_running(peer: WebSocketClient) -> None:
    """Take the bot's snapshot, and what it may not know yet: events come after the state."""
    snapshot = peer.receive_event()
    assert (snapshot["event"], snapshot["data"]["topic"]) == ("snapshot", "bot")
    bot = snapshot["data"]["data"]
    while bot["state"] != "running":
        bot = peer.receive_event("bot_status")["data"]["bot"]


def test_the_handshake_is_the_one_of_rfc_6455(connect: Connect) -> None:
    peer = connect()
    head = peer.head.lower()
    assert peer.status == 101
    assert "upgrade: websocket" in head
    assert "connection: upgrade" in head
    assert "connection: close" not in head
    assert f"Sec-WebSocket-Accept: {ACCEPT}" in peer.head
    assert "content-length" not in head
    assert "transfer-encoding" not in head


def test_a_ping_is_answered_with_its_id(connect: Connect) -> None:
    peer = connect()
    for request_id in ("a", 7, None):
        peer.send_request("ping", request_id)
        answer = peer.receive_reply()
        assert (answer["id"], answer["action"], answer["status"]) == (request_id, "ping", 200)
        assert answer["success"] is True


def test_nothing_comes_before_it_is_asked_for(connect: Connect) -> None:
    peer = connect()
    assert peer.request("subscribe", topics=["bot"])["data"] == {
        "topics": ["bot"],
        "symbols": None,
        "intervals": None,
    }
    follow_until_running(peer)


def test_topics_can_be_named_in_the_address(connect: Connect) -> None:
    peer = connect("/ws?topics=prices,bot&symbols=ETH-USDT")
    prices, bot = peer.receive_events(2)
    assert {row["symbol"] for row in prices["data"]["data"]} <= {"ETH/USDT"}
    assert bot["data"]["topic"] == "bot"
    assert peer.receive_event("price_update")["data"]["symbol"] == "ETH/USDT"


def test_topics_come_and_go(connect: Connect) -> None:
    peer = connect("/ws?topics=bot")
    peer.receive_event("snapshot")
    answer = peer.request("subscribe", topics=["prices"], symbols=["btc-usdt"])
    assert answer["data"] == {
        "topics": ["prices", "bot"],
        "symbols": ["BTC/USDT"],
        "intervals": None,
    }
    assert [event["data"]["topic"] for event in peer.receive_events(2)] == ["prices", "bot"]
    assert peer.receive_event()["data"]["symbol"] == "BTC/USDT"
    assert peer.request("unsubscribe", topics=["prices"])["data"]["topics"] == ["bot"]
    peer.request("subscribe", topics=["orders"])
    assert peer.receive_event()["data"]["topic"] == "orders"
    assert peer.request("unsubscribe")["data"] == {
        "topics": [],
        "symbols": ["BTC/USDT"],
        "intervals": None,
    }


def test_a_subscription_without_topics_takes_all_that_may_be_read(connect: Connect) -> None:
    peer = connect()
    told = peer.request("subscribe")["data"]["topics"]
    assert {"prices", "orders", "trades", "portfolio", "bot"} <= set(told)
    assert [peer.receive_event("snapshot")["data"]["topic"] for _ in told] == told


def test_sockets_and_streams_tell_the_same(connect: Connect, client: ApiClient) -> None:
    peer = connect("/ws?topics=prices&symbols=BTC-USDT")
    peer.receive_event("snapshot")
    headers = f"Authorization: {client.as_viewer().headers['Authorization']}\r\n"
    port = peer.socket.getpeername()[1]
    stream = SseClient(port, f"{BASE}/prices?symbols=BTC-USDT", headers=headers)
    streamed = {event.id: (event.name, event.data) for event in stream.take(4)[1:]}
    stream.close()
    told = {}
    while streamed.keys() - told.keys():
        event = peer.receive_event("price_update")
        told[event["id"]] = (event["event"], event["data"])
    assert {place: told[place] for place in streamed} == streamed


@pytest.mark.parametrize("way", ["address", "message"])
def test_a_lost_socket_is_resumed(connect: Connect, client: ApiClient, way: str) -> None:
    peer = connect("/ws?topics=orders")
    place = peer.receive_event("snapshot")["id"]
    peer.close()
    order = client.as_trader().post(
        "/orders",
        json={
            "symbol": "BTC/USDT",
            "side": "buy",
            "type": "limit",
            "quantity": "0.01",
            "price": "1000",
        },
        expect=201,
    )
    client.as_trader().delete(f"/orders/{order['id']}")
    if way == "address":
        again = connect(f"/ws?topics=orders&after={place}")
    else:
        again = connect()
        again.request("subscribe", topics=["orders"], after=place)
    created = again.receive_event()
    assert created["event"] == "order_created"
    assert created["data"]["order"]["id"] == order["id"]
    assert again.receive_event("order_canceled")["data"]["order"]["id"] == order["id"]


def test_a_place_that_is_gone_gives_a_reset(connect: Connect) -> None:
    peer = connect("/ws?topics=bot&after=1-1")
    assert [event["event"] for event in peer.receive_events(2)] == ["reset", "snapshot"]


def test_after_is_for_the_first_subscription(connect: Connect) -> None:
    peer = connect("/ws?topics=bot")
    refused = peer.request("subscribe", topics=["prices"], after="1-1")
    assert (refused["status"], refused["type"]) == (400, "validation_error")
    assert [field["field"] for field in refused["fields"]] == ["after"]
    assert connect("/ws?after=1-1").problem["fields"][0]["field"] == "after"


def test_candles_come_by_their_intervals(connect: Connect, client: ApiClient) -> None:
    interval = client.as_viewer().get("/exchanges")[0]["intervals"][0]
    peer = connect()
    told = peer.request("subscribe", topics=["candles"], intervals=[interval], symbols=["BTC-USDT"])
    assert told["data"]["intervals"] == [interval]
    snapshot = peer.receive_event()
    assert snapshot["data"]["topic"] == "candles"
    assert {row["interval"] for row in snapshot["data"]["data"]} <= {interval}
    again = peer.request("subscribe", intervals=None)["data"]
    assert {"candles", "prices"} <= set(again["topics"])
    assert again["intervals"] is None


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ({"topics": ["nonsense"]}, "validation_error"),
        ({"topics": "prices"}, "validation_error"),
        ({"symbols": ["DOGE-USDT"]}, "invalid_symbol"),
        ({"symbols": []}, "validation_error"),
        ({"after": "nonsense"}, "malformed_request"),
        ({"intervals": ["7m"]}, "validation_error"),
        ({"surprise": 1}, "validation_error"),
    ],
)
def test_a_bad_subscription_changes_nothing(
    connect: Connect, data: dict[str, object], kind: str
) -> None:
    peer = connect()
    assert peer.request("subscribe", **data)["type"] == kind
    assert peer.request("unsubscribe")["data"] == {"topics": [], "symbols": None, "intervals": None}


def test_sockets_outlive_a_restart_of_the_bot(connect: Connect, client: ApiClient) -> None:
    peer = connect("/ws?topics=bot")
    follow_until_running(peer)
    client.as_admin().post("/bot/restart", expect=202)
    states = []
    while states[-1:] != ["running"]:
        states.append(peer.receive_event("bot_status")["data"]["bot"]["state"])
    assert states[0] == "stopping"
    wait_until(lambda: client.as_viewer().get("/bot")["state"] == "running")
