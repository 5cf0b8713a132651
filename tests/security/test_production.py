"""A server in production, over TLS of its own: what it shows to whom, and that all of it works."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import httpx
import pytest
import trustme

from benchmarks.live import LiveServer, live_server
from tests.waiting import wait_until
from tests.websocket.websocket_client import WebSocketClient

TOKEN = "c1f0b2e79a6d48351c2d"
ORDER = {"symbol": "BTC/USDT", "side": "buy", "type": "limit", "quantity": "0.01", "price": "9000"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    authority, folder = trustme.CA(), tmp_path_factory.mktemp("home")
    pair = folder / "pair.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(pair)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    settings = {"tls_cert": pair, "tls_key": pair, "metrics_token": TOKEN, "host": "0.0.0.0"}
    with live_server(folder, trust=trust, env="production", **settings) as server:
        yield server


@pytest.fixture
def stranger(server: LiveServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, verify=server.trust, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def admin(server: LiveServer) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def test_there_is_no_documentation_for_strangers(
    stranger: httpx.Client, admin: httpx.Client, server: LiveServer
) -> None:
    assert stranger.get("/docs").status_code == 404
    assert stranger.get("/docs/start.js").status_code == 404
    assert stranger.get("/openapi.json").status_code == 401
    assert admin.get(f"{server.url}/openapi.json").json()["openapi"] == "3.1.0"


def test_browsers_are_told_to_come_over_tls_only(stranger: httpx.Client) -> None:
    for path in ("/healthz", "/nowhere", "/api/v1/orders"):
        assert stranger.get(path).headers["Strict-Transport-Security"] == "max-age=31536000"


def test_metrics_take_their_token_on_this_machine_too(
    stranger: httpx.Client, admin: httpx.Client, server: LiveServer
) -> None:
    assert stranger.get("/metrics").status_code == 401
    assert admin.get(f"{server.url}/metrics").status_code == 401
    shown = stranger.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert 'octobot_bot_state{state="running"} 1.0' in shown.text
    assert "octobot_http_connections" in shown.text


def test_a_stream_arrives_as_it_is_sent(admin: httpx.Client) -> None:
    with admin.stream("GET", "/stream?topics=orders,prices") as stream:
        lines = stream.iter_lines()
        next(line for line in lines if line.startswith("event: snapshot"))
        order = admin.post("/orders", json=ORDER).json()["data"]
        next(line for line in lines if line == "event: order_created")
        assert order["id"] in next(line for line in lines if line.startswith("data: "))
        admin.delete(f"/orders/{order['id']}")
        next(line for line in lines if line == "event: order_canceled")


def test_a_websocket_works(server: LiveServer, admin: httpx.Client) -> None:
    headers = {"Authorization": admin.headers["Authorization"]}
    assert isinstance(server.trust, ssl.SSLContext)
    peer = WebSocketClient(server.port, headers=headers, trust=server.trust)
    assert peer.status == 101, peer.head
    peer.send_request("order.create", 7, **ORDER)
    answer = peer.receive()
    assert answer is not None
    assert (answer["id"], answer["status"]) == (7, 201)
    order_id = answer["data"]["id"]
    assert admin.delete(f"/orders/{order_id}").json()["data"]["status"] == "canceled"
    peer.socket.close()


def test_streams_that_are_closed_leave_nothing_open(
    server: LiveServer, stranger: httpx.Client, admin: httpx.Client
) -> None:
    for _ in range(20):
        with admin.stream("GET", "/stream/prices") as stream:
            next(stream.iter_lines())
    metrics = {"Authorization": f"Bearer {TOKEN}"}
    nothing = "octobot_streams_open 0.0"
    assert wait_until(lambda: nothing in stranger.get("/metrics", headers=metrics).text)
