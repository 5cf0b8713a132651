"""Opening handshake, authentication and access of a WebSocket."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from flask import Flask

from backend.identity import Identity, Principal
from backend.schemas.common import utc_now
from backend.schemas.users import UserChange
from tests.api_client import PASSWORD, ApiClient
from tests.streams.stream_client import wait_until
from tests.websocket.conftest import Connect, StartOther

SOMEWHERE = "https://app.example.org"


def token_of(client: ApiClient) -> str:
    return client.headers["Authorization"].removeprefix("Bearer ")


@pytest.mark.parametrize("way", ["header", "ticket", "token message", "ticket message"])
def test_there_are_four_ways_in(connect: Connect, client: ApiClient, way: str) -> None:
    viewer = client.as_viewer()
    ticket = viewer.post("/stream/ticket", expect=201)["ticket"]
    if way == "header":
        peer = connect(headers=viewer.headers)
    elif way == "ticket":
        peer = connect(f"/ws?ticket={ticket}", headers={})
    else:
        peer = connect(headers={})
        given = {"token": token_of(viewer)} if way == "token message" else {"ticket": ticket}
        assert peer.request("auth", **given)["data"] == {
            "topics": [],
            "symbols": None,
            "intervals": None,
        }
    assert peer.request("subscribe", topics=["bot"])["status"] == 200
    assert peer.receive_event()["data"]["topic"] == "bot"


def test_topics_of_the_address_wait_for_who_asks(connect: Connect, client: ApiClient) -> None:
    peer = connect("/ws?topics=bot", headers={})
    peer.send_request("auth", 1, token=token_of(client.as_viewer()))
    answer, snapshot = peer.receive(), peer.receive()
    assert answer is not None
    assert answer["data"] == {"topics": ["bot"], "symbols": None, "intervals": None}
    assert snapshot is not None
    assert snapshot["event"] == "snapshot"


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({"Authorization": "Bearer x"}, "invalid_token"),
        ({"Authorization": "Basic x"}, "invalid_token"),
        ({"Upgrade": "", "Connection": ""}, "not_authenticated"),
    ],
)
def test_who_is_nobody_gets_no_socket(connect: Connect, headers: dict[str, str], kind: str) -> None:
    peer = connect(headers=headers)
    assert (peer.status, peer.problem["type"]) == (401, kind)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ({"token": "x"}, "invalid_token"),
        ({"token": "é\r\nX: y"}, "invalid_token"),
        ({"token": ""}, "invalid_token"),
        ({"ticket": "x"}, "invalid_token"),
        ({}, "validation_error"),
        ({"token": "x", "ticket": "x"}, "validation_error"),
    ],
)
def test_a_failed_auth_ends_the_socket(connect: Connect, data: dict[str, str], kind: str) -> None:
    peer = connect(headers={})
    assert peer.request("auth", **data)["type"] == kind
    assert peer.rest() == []
    assert peer.close_code == 1008


def test_nothing_is_done_for_strangers(connect: Connect) -> None:
    peer = connect(headers={})
    refused = peer.request("ping")
    assert (refused["status"], refused["type"]) == (401, "not_authenticated")
    assert (peer.rest(), peer.close_code) == ([], 1008)


def test_a_stranger_who_says_nothing_is_sent_away(connect: Connect) -> None:
    peer = connect(headers={})
    answer = peer.receive_reply()
    assert (answer["action"], answer["type"]) == ("auth", "not_authenticated")
    assert (peer.rest(), peer.close_code) == ([], 1008)


@pytest.mark.parametrize("name", ["token", "access_token", "jwt", "api_key", "authorization"])
def test_a_token_in_the_address_is_refused(
    connect: Connect, client: ApiClient, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = token_of(client.as_viewer())
    problem = connect(f"/ws?{name}={token}").problem
    assert (problem["code"], problem["fields"][0]["field"]) == (400, name)
    assert "no token in an address" in problem["fields"][0]["message"]
    log = client.app.extensions["backend"].settings.home / "logs" / "backend.log"
    assert token not in log.read_text() + caplog.text


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 101),
        ("http://127.0.0.1:{port}", 101),
        (SOMEWHERE, 101),
        ("https://evil.example.org", 403),
        (SOMEWHERE + ".evil.example", 403),
        ("http://127.0.0.1", 403),
        ("null", 403),
        ("", 101),
        ("https://[", 403),
    ],
)
def test_pages_of_other_origins_open_nothing(
    connect: Connect, start_other: StartOther, client: ApiClient, origin: str | None, status: int
) -> None:
    port = start_other(cors_origins=(SOMEWHERE,)).port
    headers = {} if origin is None else {"Origin": origin.format(port=port)}
    peer = connect("/ws", client.as_viewer().headers | headers, port)
    assert peer.status == status
    if status == 403:
        assert peer.problem["type"] == "forbidden"


@pytest.mark.parametrize(
    ("handshake", "status"),
    [
        ({"Upgrade": "h2c"}, 426),
        ({"Connection": "keep-alive"}, 426),
        ({"Sec-WebSocket-Version": "8"}, 426),
        ({"Sec-WebSocket-Key": ""}, 400),
        ({"Sec-WebSocket-Key": "c2hvcnQ="}, 400),
        ({"Sec-WebSocket-Key": "not base64"}, 400),
    ],
)
def test_what_is_no_handshake_is_refused(
    connect: Connect, handshake: dict[str, str], status: int
) -> None:
    peer = connect(handshake=handshake)
    assert peer.status == status
    assert peer.problem["code"] == status


def test_a_logout_ends_the_socket(connect: Connect, client: ApiClient) -> None:
    viewer = client.as_viewer()
    peer = connect("/ws?topics=bot", headers=viewer.headers)
    peer.receive_event("snapshot")
    viewer.post("/auth/logout", json={})
    last = peer.rest()[-1]
    assert (last["event"], last["data"]["reason"]) == ("end", "access_revoked")
    assert peer.close_code == 1008


@pytest.mark.parametrize(
    ("username", "change", "refusal"),
    [
        ("gone", UserChange(disabled=True), (401, "invalid_token")),
        ("lowered", UserChange(role="viewer"), (401, "invalid_token")),
        ("confined", UserChange(must_change_password=True), (403, "password_change_required")),
    ],
)
def test_a_changed_user_is_sent_away_and_does_nothing_meanwhile(
    connect: Connect, app: Flask, username: str, change: UserChange, refusal: tuple[int, str]
) -> None:
    identity: Identity = app.extensions["backend"].identity
    user = identity.users.create(username, PASSWORD, "trader")
    token = identity.login(username, PASSWORD, "127.0.0.1", "tests").access_token
    peer = connect(headers={"Authorization": f"Bearer {token}"})
    assert peer.request("ping")["status"] == 200
    identity.users.change(user.id, change)
    refused = peer.request("order.cancel", order_id="x")
    assert (refused["status"], refused["type"]) == refusal
    last = peer.rest()[-1]
    assert (last["event"], last["data"]["reason"]) == ("end", "access_revoked")


def test_a_new_token_lets_a_socket_stay(connect: Connect, app: Flask) -> None:
    identity: Identity = app.extensions["backend"].identity
    token = identity.login("viewer", PASSWORD, "127.0.0.1", "tests").access_token
    known = identity.verify_access_token(token)
    brief = Principal(
        known.user_id,
        known.username,
        known.role,
        known.scopes,
        known.token_id,
        known.session_id,
        utc_now() + timedelta(seconds=2.5),
    )
    tickets = app.extensions["backend"].tickets
    ending = connect(f"/ws?ticket={tickets.issue(brief)}", headers={})
    staying = connect(f"/ws?ticket={tickets.issue(brief)}", headers={})
    assert staying.request("auth", token=token)["status"] == 200
    last = ending.rest()[-1]
    assert (last["event"], last["data"]["reason"]) == ("end", "token_expired")
    assert staying.request("ping")["status"] == 200


def test_a_socket_stays_with_its_user(connect: Connect, client: ApiClient) -> None:
    peer = connect()
    refused = peer.request("auth", token=token_of(client.as_admin()))
    assert (refused["status"], refused["type"]) == (403, "forbidden")
    assert peer.request("auth", token="x")["type"] == "invalid_token"
    assert peer.request("ping")["status"] == 200


def test_the_limits_of_the_routes_apply(
    connect: Connect, start_other: StartOther, client: ApiClient
) -> None:
    other = start_other(rate_limit_enabled=True, rate_limit_amend="2/minute")
    peer = connect("/ws", client.as_trader().headers, other.port)
    statuses = [peer.request("order.cancel", order_id="x")["status"] for _ in range(2)]
    limited = peer.request("order.cancel", order_id="x")
    assert statuses == [404, 404]
    assert (limited["status"], limited["type"]) == (429, "rate_limited")
    assert 1 <= limited["retry_after"] <= 60


def test_new_orders_and_edits_have_budgets_of_their_own(
    connect: Connect, start_other: StartOther, client: ApiClient
) -> None:
    limits = {"rate_limit_trade": "1/minute", "rate_limit_amend": "2/minute"}
    other = start_other(rate_limit_enabled=True, **limits)
    peer = connect("/ws", client.as_trader().headers, other.port)
    assert peer.request("order.create", symbol="x")["status"] == 400
    assert peer.request("order.create", symbol="x")["type"] == "rate_limited"
    assert peer.request("order.cancel", order_id="x")["status"] == 404
    assert peer.request("order.edit", order_id="x", price="1")["status"] == 404
    assert peer.request("order.edit", order_id="x", price="1")["type"] == "rate_limited"
    assert peer.request("subscribe", topics=["bot"])["status"] == 200


def test_subscribing_counts_as_a_query(
    connect: Connect, start_other: StartOther, client: ApiClient
) -> None:
    other = start_other(rate_limit_enabled=True, rate_limit_query="2/minute")
    peer = connect("/ws", client.as_viewer().headers, other.port)
    assert peer.request("subscribe", topics=["bot"])["status"] == 200
    assert peer.request("unsubscribe")["type"] == "rate_limited"


def test_there_is_room_for_so_many(
    connect: Connect, start_other: StartOther, client: ApiClient
) -> None:
    port = start_other(socket_clients=4).port
    known = client.as_viewer().headers
    stranger = connect("/ws", {}, port)
    assert connect("/ws", {}, port).problem["type"] == "streams_full"
    peers = [connect("/ws", known, port) for _ in range(3)]
    refused = connect("/ws", known, port)
    assert (refused.status, refused.problem["type"]) == (503, "streams_full")
    assert "Retry-After: 5" in refused.head
    stranger.request("auth", token=token_of(client.as_viewer()))
    stranger.close()

    def has_room() -> bool:
        peers.append(connect("/ws", known, port))
        return peers[-1].status == 101

    wait_until(has_room)


def test_sockets_count_among_a_users_streams(
    connect: Connect, client: ApiClient, app: Flask
) -> None:
    bound = app.extensions["backend"].settings.stream_clients_per_user
    headers = client.as_admin().headers
    for _ in range(bound):
        assert connect(headers=headers).status == 101
    assert connect(headers=headers).problem["type"] == "too_many_streams"
    peer = connect(headers={})
    assert peer.request("auth", token=token_of(client.as_admin()))["type"] == "too_many_streams"


def test_a_server_without_sockets_to_give_says_so(client: ApiClient) -> None:
    handshake = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    answer = client.as_viewer().send("GET", "/ws", headers=handshake)
    assert (answer.status_code, answer.get_json()["type"]) == (501, "not_implemented")


def test_an_api_key_opens_a_socket_until_it_is_revoked(connect: Connect, client: ApiClient) -> None:
    trader = client.as_trader()
    asked = {"name": "socket", "scopes": ["stream:read", "bot:read"]}
    made = trader.post("/auth/api-keys", json=asked, expect=201)
    header = connect("/ws?topics=bot", headers={"X-API-Key": made["key"]})
    header.receive_event("snapshot")
    peer = connect(headers={})
    assert peer.request("auth", api_key=made["key"])["status"] == 200
    assert peer.request("order.cancel", order_id="x")["type"] == "forbidden"
    assert peer.request("subscribe", topics=["orders"])["type"] == "forbidden"
    trader.delete(f"/auth/api-keys/{made['id']}")
    for ended in (header, peer):
        assert ended.rest()[-1]["data"]["reason"] == "access_revoked"


def test_a_websocket_is_a_connection_until_it_is_closed(
    connect: Connect, start_other: StartOther
) -> None:
    other = start_other()
    peers = [connect(port=other.port) for _ in range(3)]
    assert [peer.request("ping")["status"] for peer in peers] == [200] * 3
    assert other.server.all_connections == 3
    for peer in peers:
        peer.close()
    wait_until(lambda: other.server.all_connections == 0)
