"""Limits of addresses, accounts and all logins, and what a Redis that goes away does to them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from backend.app import close_app, create_app
from backend.middleware import rate_limit_storage as counting
from backend.services import Services
from tests.api_client import PASSWORD, ApiClient
from tests.redis_server import RedisServer

NewClient = Callable[..., ApiClient]


@pytest.fixture
def start_client(app: Flask) -> Iterator[NewClient]:
    """Start further apps on the same bot, with limits of their own."""
    with ExitStack() as stack:

        def start(**changes: object) -> ApiClient:
            parts: Services = app.extensions["backend"]
            changes = {"rate_limit_enabled": True, "trusted_proxies": 1, **changes}
            settings = parts.settings.model_copy(update=changes)
            other = create_app(settings, parts.bridge, parts.hub, parts.host, parts.database)
            stack.callback(close_app, other)
            return ApiClient(other)

        yield start


@pytest.fixture(scope="module")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.thaw()
    server.stop()


@pytest.fixture
def redis(shared_redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> RedisServer:
    """An empty Redis that answers, and is given time to while the machine is busy."""
    monkeypatch.setattr(counting, "TIMEOUT_S", 1.0)
    shared_redis.thaw()
    shared_redis.stop()
    shared_redis.start()
    return shared_redis


def log_in(
    client: ApiClient, address: str, username: str = "trader", password: str = "wrong"
) -> TestResponse:
    body = {"username": username, "password": password}
    headers = {"X-Forwarded-For": address}
    return client.send("POST", "/auth/login", json=body, headers=headers)


def told(response: TestResponse) -> tuple[int, str | None]:
    return response.status_code, (response.get_json() or {}).get("type")


WRONG, TOO_MANY, AWAY = (
    (401, "invalid_credentials"),
    (429, "rate_limited"),
    (503, "rate_limits_away"),
)


def test_of_several_limits_the_one_that_leaves_the_least_is_told(start_client: NewClient) -> None:
    client = start_client(rate_limit_login="3/minute", rate_limit_account="10/minute")
    answers = [log_in(client, "192.0.2.1", "viewer") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
    assert {answer.headers["RateLimit-Limit"] for answer in answers} == {"3"}
    remaining = [answer.headers["RateLimit-Remaining"] for answer in answers]
    assert remaining == ["2", "1", "0", "0"]


def test_an_account_is_guessed_at_only_so_often_from_wherever(start_client: NewClient) -> None:
    client = start_client(rate_limit_account="3/minute", rate_limit_account_new_networks="1/hour")
    names = ("trader", "Trader", "TRADER", "trader", "trader")
    answers = [log_in(client, f"192.0.2.{n}", name) for n, name in enumerate(names)]
    assert [told(answer) for answer in answers] == [WRONG] * 4 + [TOO_MANY]
    assert told(log_in(client, "192.0.2.9", password=PASSWORD)) == TOO_MANY
    assert log_in(client, "192.0.2.10", "viewer", PASSWORD).status_code == 200
    headers = answers[-1].headers
    assert headers.getlist("RateLimit-Limit") == ["3"]
    assert headers.getlist("RateLimit-Remaining") == ["0"]
    assert headers["Retry-After"] == headers["RateLimit-Reset"]


def test_names_that_nobody_bears_are_limited_alike(start_client: NewClient) -> None:
    client = start_client(rate_limit_account="2/minute", rate_limit_account_new_networks="1/hour")
    answers = [told(log_in(client, f"192.0.2.{n}", "n\x00body ☃")) for n in range(4)]
    assert answers == [WRONG, WRONG, WRONG, TOO_MANY]


def test_all_logins_together_have_a_limit(start_client: NewClient) -> None:
    client = start_client(rate_limit_all_logins="3/minute", rate_limit_all_new_networks="1/hour")
    answers = [told(log_in(client, f"192.0.2.{n}", f"user-{n}")) for n in range(5)]
    assert answers == [WRONG] * 4 + [TOO_MANY]
    viewer = start_client().as_viewer()
    assert viewer.send("GET", "/bot").status_code == 200


def test_a_stolen_token_allows_few_guesses_and_leaves_other_sessions_theirs(
    start_client: NewClient,
) -> None:
    client = start_client(rate_limit_proof="2/minute", rate_limit_account="2/minute")
    thief = client.as_trader()
    guesses = [
        thief.send("POST", "/auth/step-up", json={"password": "wrong"}).status_code,
        thief.send(
            "PUT",
            "/auth/password",
            json={"current_password": "wrong", "new_password": "a new password"},
        ).status_code,
        thief.send("POST", "/auth/step-up", json={"password": "wrong"}).status_code,
    ]
    assert guesses == [400, 400, 429]
    owner = client.as_trader()
    assert owner.send("POST", "/auth/step-up", json={"password": PASSWORD}).status_code == 200


def test_an_address_that_guesses_tokens_is_stopped_before_they_are_looked_at(
    start_client: NewClient,
) -> None:
    client = start_client(rate_limit_address="3/minute")

    def guess(address: str) -> int:
        headers = {"Authorization": "Bearer guess", "X-Forwarded-For": address}
        return client.send("GET", "/bot", headers=headers).status_code

    assert [guess("192.0.2.1") for _ in range(4)] == [401, 401, 401, 429]
    assert guess("192.0.2.2") == 401
    same_network = [f"2001:db8:1:2::{n}" for n in range(4)]
    assert [guess(address) for address in same_network] == [401, 401, 401, 429]
    assert guess("2001:db8:1:3::1") == 401
    assert (
        client.send("GET", "/healthz", headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 200
    )


@pytest.mark.parametrize("shared", [False, True], ids=["memory", "redis"])
def test_reads_and_changes_are_counted_in_one_window(
    start_client: NewClient, redis: RedisServer, shared: bool
) -> None:
    storage = {"rate_limit_storage": redis.url} if shared else {}
    viewer = start_client(rate_limit_query="4/minute", **storage).as_viewer()
    requests = [("GET", "/bot"), ("POST", "/stream/ticket")] * 3
    answers = [viewer.send(*request) for request in requests]
    assert [answer.status_code for answer in answers] == [200, 201, 200, 201, 429, 429]
    remaining = [answer.headers["RateLimit-Remaining"] for answer in answers]
    assert remaining == ["3", "2", "1", "0", "0", "0"]
    for answer in answers[-2:]:
        assert answer.headers["Retry-After"] == answer.headers["RateLimit-Reset"]
        assert told(answer) == TOO_MANY


def test_without_its_redis_changes_go_on(start_client: NewClient) -> None:
    client = start_client(rate_limit_storage="redis://127.0.0.1:1", rate_limit_query="2/minute")
    viewer = client.as_viewer()
    answers = [viewer.send("POST", "/stream/ticket") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]


def test_a_name_is_not_kept_as_it_was_typed(start_client: NewClient, redis: RedisServer) -> None:
    client = start_client(rate_limit_storage=redis.url)
    log_in(client, "192.0.2.1", "my password by mistake")
    assert len(redis.keys()) == 6
    assert "mistake" not in str(redis.keys())


def test_processes_that_share_a_redis_count_together(
    start_client: NewClient, redis: RedisServer
) -> None:
    limits = {"rate_limit_storage": redis.url, "rate_limit_query": "3/minute"}
    first, second = (start_client(**limits).as_viewer() for _ in range(2))
    answers = [client.send("GET", "/bot") for client in (first, second, first, second, first)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    remaining = [answer.headers["RateLimit-Remaining"] for answer in answers]
    assert remaining == ["2", "1", "0", "0", "0"]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60


@pytest.mark.parametrize("fail", ["stop", "freeze"])
def test_without_its_redis_reads_go_on_and_logins_do_not_until_it_is_back(
    start_client: NewClient, redis: RedisServer, fail: str
) -> None:
    client = start_client(rate_limit_storage=redis.url, rate_limit_query="3/minute")
    viewer, trader = client.as_viewer(), client.as_trader()
    assert viewer.send("GET", "/bot").headers["RateLimit-Remaining"] == "2"
    getattr(redis, fail)()
    answers = [viewer.send("GET", "/bot") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert trader.send("DELETE", "/orders/x").status_code == 404
    refused = log_in(client, "192.0.2.1", password=PASSWORD)
    assert told(refused) == AWAY
    assert refused.headers["Retry-After"] == "1"
    if fail == "stop":
        redis.start()
    redis.thaw()
    deadline = time.monotonic() + 60
    while (answer := log_in(client, "192.0.2.1", password=PASSWORD)).status_code == 503:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert answer.status_code == 200
    assert answer.headers["RateLimit-Limit"] == "5"
    before = redis.keys()
    assert trader.send("GET", "/bot").headers["RateLimit-Remaining"] == "2"
    (counted,) = set(redis.keys()) - set(before)
    assert "query/" in counted


def test_a_redis_that_is_not_there_at_the_start_keeps_nothing_from_starting(
    start_client: NewClient,
) -> None:
    client = start_client(rate_limit_storage="redis://127.0.0.1:1", rate_limit_query="2/minute")
    viewer = client.as_viewer()
    assert [viewer.send("GET", "/bot").status_code for _ in range(3)] == [200, 200, 429]
    assert told(log_in(client, "192.0.2.1", password=PASSWORD)) == AWAY
