"""Budgets of rate limits: brakes work when everything else is used up, on a real server."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest

from benchmarks.live import LiveServer
from tests.prepared_server import prepared_server

pytestmark = pytest.mark.long

ORDER = {
    "symbol": "BTC/USDT",
    "side": "buy",
    "type": "limit",
    "quantity": "0.001",
    "price": "20000",
}
PASSWORD = "a passphrase of the tests"
ARM, DISARM = {"timeout_s": 600}, {"timeout_s": 0}
NewUser = Callable[[], httpx.Client]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with the limits as they come, but for logins and addresses."""
    kinds = ("login", "account", "all_logins")
    limits = {f"rate_limit_{kind}": "1000/minute" for kind in kinds}
    home = tmp_path_factory.mktemp("home")
    with prepared_server(
        home, trusted_proxies=1, rate_limit_address="300/minute", **limits
    ) as server:
        yield server


@pytest.fixture(scope="module")
def new_admin(server: LiveServer) -> Iterator[NewUser]:
    """Create further admins and log them in, each at an address of their own."""
    names = (f"admin{number}" for number in itertools.count(1))

    stack = ExitStack()

    def new_admin() -> httpx.Client:
        name = next(names)
        user = {"username": name, "password": PASSWORD, "role": "admin"}
        with server.client() as first:
            first.post("/users", json={**user, "must_change_password": False}).raise_for_status()
        client = stack.enter_context(httpx.Client(base_url=server.api, timeout=60))
        client.headers["X-Forwarded-For"] = f"192.0.2.{name.removeprefix('admin')}"
        login = client.post("/auth/login", json={"username": name, "password": PASSWORD})
        client.headers["Authorization"] = f"Bearer {login.json()['data']['access_token']}"
        return client

    with stack:
        yield new_admin


def refused(answer: httpx.Response) -> bool:
    return (answer.status_code, answer.json().get("type")) == (429, "rate_limited")


def test_after_ten_orders_in_a_minute_all_brakes_work(new_admin: NewUser) -> None:
    user = new_admin()
    orders = [user.post("/orders", json=ORDER) for _ in range(10)]
    assert {answer.status_code for answer in orders} == {201}
    assert refused(user.post("/orders", json=ORDER))
    first, second = (answer.json()["data"]["id"] for answer in orders[:2])
    assert user.patch(f"/orders/{first}", json={"price": "19000"}).status_code == 200
    assert user.delete(f"/orders/{second}").json()["data"]["status"] == "canceled"
    assert user.post("/orders/cancel-all-after", json=ARM).status_code == 200
    assert user.patch("/risk", json={"max_open_orders": 100}).status_code == 200
    assert user.post("/bot/pause").json()["data"]["state"] == "paused"
    canceled = user.delete("/orders").json()["data"]
    assert {result["order"]["status"] for result in canceled} == {"canceled"}
    assert user.get("/orders").json()["data"] == []
    assert user.post("/orders/cancel-all-after", json=DISARM).status_code == 200
    assert user.post("/bot/stop").json()["data"]["state"] == "stopped"
    assert user.post("/bot/start").status_code == 202
    assert user.post("/bot/resume").status_code in (200, 503)


def test_after_a_hundred_reads_the_dead_man_switch_is_renewed(new_admin: NewUser) -> None:
    user = new_admin()
    reads = [user.get("/bot") for _ in range(101)]
    assert {answer.status_code for answer in reads[:-1]} == {200}
    assert refused(reads[-1])
    renewed = [user.post("/orders/cancel-all-after", json=body) for body in (ARM, DISARM)]
    assert [answer.status_code for answer in renewed] == [200, 200]


def test_a_switch_that_is_renewed_too_often_leaves_the_other_brakes(new_admin: NewUser) -> None:
    user = new_admin()
    renewed = [user.post("/orders/cancel-all-after", json=DISARM) for _ in range(61)]
    assert {answer.status_code for answer in renewed[:-1]} == {200}
    assert refused(renewed[-1])
    assert user.delete("/orders").status_code == 200


def test_one_users_budgets_do_not_touch_anothers(new_admin: NewUser) -> None:
    user, other = new_admin(), new_admin()
    other.headers["X-Forwarded-For"] = user.headers["X-Forwarded-For"]
    for _ in range(11):
        spent = user.delete("/orders/x"), user.post("/orders", json={**ORDER, "quantity": "0"})
    assert not refused(spent[0])
    assert refused(spent[1])
    assert other.post("/orders", json={**ORDER, "quantity": "0"}).status_code == 400
    told = other.delete("/orders/x").headers
    assert told["RateLimit-Policy"] == '"amend";q=60;w=60'
    assert told["RateLimit"].startswith('"amend";r=59;t=')


def test_strangers_at_an_address_use_up_nobodys_brakes(
    server: LiveServer, new_admin: NewUser
) -> None:
    user = new_admin()
    key = user.post("/auth/api-keys", json={"name": "brakes", "scopes": ["orders:write"]})
    address = {"X-Forwarded-For": user.headers["X-Forwarded-For"]}
    with httpx.Client(base_url=server.api, headers=address, timeout=60) as stranger:
        guesses = [stranger.delete("/orders", headers={"X-API-Key": "x"}) for _ in range(301)]
        reads = [stranger.get("/orders") for _ in range(301)]
        with_key = {"X-API-Key": key.json()["data"]["key"]}
        disarmed = stranger.post("/orders/cancel-all-after", json=DISARM, headers=with_key)
    assert {answer.status_code for answer in guesses[:-1]} == {401}
    assert guesses[-1].headers["RateLimit-Policy"] == '"address";q=300;w=60'
    assert refused(guesses[-1])
    assert refused(reads[-1])
    assert refused(user.get("/orders"))
    assert user.delete("/orders").status_code == 200
    assert disarmed.status_code == 200
