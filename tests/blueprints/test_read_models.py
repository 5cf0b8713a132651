"""Answers that are made when their content changes, and handed out until then."""

from __future__ import annotations

import pytest

from tests.api_client import ApiClient
from tests.waiting import wait_until

MARKET = {"symbol": "BTC/USDT", "side": "buy", "type": "market", "quantity": "0.001"}
RESTING = {**MARKET, "type": "limit", "price": "20000"}


@pytest.mark.parametrize(
    "path",
    ["/config", "/markets", "/exchanges", "/positions", "/orders?limit=5", "/trades/history"],
)
def test_what_stayed_the_same_is_not_sent_again(client: ApiClient, path: str) -> None:
    admin = client.as_admin()
    first = admin.send("GET", path)
    again = admin.send("GET", path, headers={"If-None-Match": first.headers["ETag"]})
    assert (first.status_code, again.status_code, again.data) == (200, 304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]


def test_the_bot_is_sent_again_only_when_it_is_another(client: ApiClient) -> None:
    viewer = client.as_viewer()
    answers = [viewer.send("GET", "/bot")]
    while answers[-1].status_code == 200 and len(answers) < 10:  # its lag may be another by now
        known = {"If-None-Match": answers[-1].headers["ETag"]}
        answers.append(viewer.send("GET", "/bot", headers=known))
    etags = [answer.headers["ETag"] for answer in answers]
    assert (answers[-1].status_code, answers[-1].data) == (304, b"")
    assert etags == [*dict.fromkeys(etags), etags[-2]]


def test_open_orders_keep_their_etag_while_others_fill(client: ApiClient) -> None:
    trader = client.as_trader()
    resting = trader.post("/orders", json=RESTING, expect=201)
    before = trader.send("GET", "/orders").headers["ETag"]
    market = trader.post("/orders", json=MARKET, expect=201)
    assert wait_until(lambda: trader.get(f"/orders/{market['id']}")["status"] == "filled")
    assert trader.send("GET", "/orders").headers["ETag"] == before
    trader.delete(f"/orders/{resting['id']}")
    assert trader.send("GET", "/orders").headers["ETag"] != before


def test_a_new_setting_shows_at_once(client: ApiClient) -> None:
    admin = client.as_admin()
    assert admin.get("/config")["config"]["metrics"] == {"enabled": False}
    changed = admin.patch("/config", json={"config": {"metrics": {"enabled": True}}})
    assert admin.get("/config") == changed
    admin.patch("/config", json={"config": {"metrics": {"enabled": False}}})
    assert admin.get("/config")["config"]["metrics"] == {"enabled": False}


def test_the_bots_state_shows_at_once(client: ApiClient) -> None:
    admin = client.as_admin()
    assert admin.get("/bot")["state"] == "running"
    admin.post("/bot/pause")
    assert admin.get("/bot")["state"] == "paused"
    admin.post("/bot/resume")
    assert admin.get("/bot")["state"] == "running"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_head_says_how_long_the_answer_is(client: ApiClient, method: str) -> None:
    answer = client.as_viewer().send(method, "/portfolio/balance")
    whole = client.as_viewer().send("GET", "/portfolio/balance").data
    assert answer.headers["Content-Length"] == str(len(whole))
    assert answer.data == (whole if method == "GET" else b"")
