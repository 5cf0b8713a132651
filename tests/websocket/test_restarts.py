"""WebSockets and a stopping server: the close code, and resuming afterwards."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.restartable_server import RestartableServer
from tests.websocket.websocket_client import WebSocketClient

LIMIT = {"symbol": "BTC/USDT", "side": "buy", "type": "limit", "quantity": "0.001"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RestartableServer]:
    server = RestartableServer(tmp_path, sandbox_speed=1e-6)
    yield server
    server.close()


def test_a_socket_is_told_of_the_end_and_comes_back_to_what_it_missed(
    server: RestartableServer,
) -> None:
    headers = {"Authorization": f"Bearer {server.server.login()}"}
    with server.server.client() as client:
        price = client.get("/tickers/BTC-USDT").json()["data"]["price"]
    order = {**LIMIT, "price": str(int(float(price) * 0.8))}
    stranger = WebSocketClient(server.server.port)
    peer = WebSocketClient(server.server.port, "/ws?topics=orders", headers)
    assert peer.receive_event()["event"] == "snapshot"
    other = WebSocketClient(server.server.port, "/ws", headers)
    placed = other.request("order.create", **order)["data"]
    place = peer.receive_event("order_created")["id"]
    changed = other.request("order.edit", order_id=placed["id"], price=str(int(order["price"]) - 1))
    server.stop(signal.SIGTERM)
    told = peer.rest()
    assert (told[-1]["event"], told[-1]["data"]["reason"]) == ("end", "server_stopping")
    assert (peer.close_code, other.rest()[-1]["event"], other.close_code) == (1001, "end", 1001)
    stranger.rest()
    server.start()
    again = WebSocketClient(server.server.port, "/ws", headers)
    again.request("subscribe", topics=["orders"], after=place)
    canceled = again.request("order.cancel", order_id=changed["data"]["order"]["id"])
    assert canceled["data"]["status"] == "canceled"
    late = WebSocketClient(server.server.port, f"/ws?topics=orders&after={place}", headers)
    missed = [late.receive_event()]
    while missed[-1]["event"] != "order_canceled":
        missed.append(late.receive_event())
    assert [event["event"] for event in missed[-2:]] == ["order_updated", "order_canceled"]
    assert {event["data"]["order"]["client_order_id"] for event in missed} == {
        placed["client_order_id"]
    }
    for socket in (stranger, peer, other, again, late):
        socket.close()
