from __future__ import annotations

import pytest
from werkzeug.test import TestResponse

from backend.settings.model import SettingsError
from tests.api_client import PASSWORD, ApiClient, NewClient


def test_limits_are_counted_and_told(start_client: NewClient) -> None:
    client = start_client(rate_limit_enabled=True, rate_limit_query="3/minute")
    viewer, trader = client.as_viewer(), client.as_trader()
    told = [viewer.send("GET", "/bot").headers for _ in range(3)]
    assert [headers["RateLimit-Remaining"] for headers in told] == ["2", "1", "0"]
    assert {headers["RateLimit-Limit"] for headers in told} == {"3"}
    assert all(1 <= int(headers["RateLimit-Reset"]) <= 60 for headers in told)
    refused = viewer.send("GET", "/bot")
    assert (refused.status_code, refused.get_json()["type"]) == (429, "rate_limited")
    assert refused.headers["Retry-After"] == refused.headers["RateLimit-Reset"]
    assert refused.headers["RateLimit-Remaining"] == "0"
    assert trader.get("/bot")["state"] == "running"
    viewer.delete("/orders/x", expect=403)


def test_each_class_has_a_limit_of_its_own(start_client: NewClient) -> None:
    client = start_client(
        rate_limit_enabled=True, rate_limit_trade="1/minute", rate_limit_query="100/minute"
    )
    trader, refused = client.as_trader(), {"quantity": "0"}
    trader.post("/orders", json=refused, expect=400)
    trader.post("/orders", json=refused, expect=429)
    trader.delete("/orders/x", expect=404)
    assert trader.delete("/orders") == []
    assert trader.get("/bot")["state"] == "running"


def test_both_forms_of_the_headers_name_the_budget(start_client: NewClient) -> None:
    client = start_client(rate_limit_enabled=True, rate_limit_amend="30/hour")
    headers = client.as_trader().send("DELETE", "/orders/x").headers
    assert headers["RateLimit-Policy"] == '"amend";q=30;w=3600'
    reset = headers["RateLimit-Reset"]
    assert headers["RateLimit"] == f'"amend";r=29;t={reset}'
    assert (headers["RateLimit-Limit"], headers["RateLimit-Remaining"]) == ("30", "29")


def test_a_batch_counts_as_many_times_as_it_has_orders(start_client: NewClient) -> None:
    client = start_client(rate_limit_enabled=True, rate_limit_trade="5/minute")
    trader = client.as_trader()
    order = {"symbol": "BTC/USDT", "side": "buy", "type": "limit", "quantity": "0.001"}

    def place(count: int) -> TestResponse:
        orders = [{**order, "price": "20000"}] * count
        return trader.send("POST", "/orders/batch", json={"orders": orders})

    placed = place(2)
    assert (placed.status_code, placed.headers["RateLimit-Remaining"]) == (200, "3")
    refused = place(4)
    assert (refused.status_code, refused.headers["RateLimit-Remaining"]) == (429, "2")
    assert refused.get_json()["details"].startswith("3 orders are left of 5; the batch has 4; ")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert place(2).headers["RateLimit-Remaining"] == "0"
    assert len(trader.delete("/orders")) == 4


def test_a_batch_of_more_than_a_window_allows_says_so(start_client: NewClient) -> None:
    client = start_client(rate_limit_enabled=True, rate_limit_trade="5/minute")
    order = {"symbol": "BTC/USDT", "side": "buy", "type": "market", "quantity": "0.001"}
    refused = client.as_trader().post("/orders/batch", json={"orders": [order] * 6}, expect=429)
    assert refused["details"].startswith("at most 5 orders; the batch has 6; ")


def test_refreshes_are_counted_by_session_not_with_logins(start_client: NewClient) -> None:
    client = start_client(
        rate_limit_enabled=True, rate_limit_refresh="2/minute", rate_limit_login="3/minute"
    )
    login = {"username": "viewer", "password": PASSWORD}
    tokens = [client.post("/auth/login", json=login)["refresh_token"] for _ in range(2)]

    def refresh(token: str) -> TestResponse:
        return client.send("POST", "/auth/refresh", json={"refresh_token": token})

    for token in tokens:
        first = refresh(token)
        assert first.headers["RateLimit-Policy"] == '"refresh";q=2;w=60'
        second = refresh(first.get_json()["data"]["refresh_token"])
        third = refresh(second.get_json()["data"]["refresh_token"])
        assert [answer.status_code for answer in (first, second, third)] == [200, 200, 429]
    assert [refresh(f"unknown {number}").status_code for number in range(3)] == [401, 401, 429]
    assert client.post("/auth/login", json=login)["user"]["username"] == "viewer"


def test_a_page_may_ask_whether_it_may_brake_whatever_its_address_has_used_up(
    start_client: NewClient,
) -> None:
    origin = "https://app.example.org"
    client = start_client(
        rate_limit_enabled=True, rate_limit_address="1/minute", cors_origins=(origin,)
    )

    def ask(method: str, path: str, origin: str) -> int:
        headers = {"Origin": origin, "Access-Control-Request-Method": method}
        return client.send("OPTIONS", path, headers=headers).status_code

    assert [ask("DELETE", "/orders", origin) for _ in range(3)] == [200, 200, 200]
    assert ask("POST", "/orders/cancel-all-after", origin) == 200
    counted = [("POST", "/orders", origin), ("DELETE", "/orders", "https://evil.example.org")]
    assert [ask(*asked) for asked in counted] == [200, 429]
    assert ask("DELETE", "/orders", origin) == 200


def test_logins_are_limited_by_address(start_client: NewClient) -> None:
    client = start_client(rate_limit_enabled=True, rate_limit_login="2/minute", trusted_proxies=1)
    wrong = {"username": "trader", "password": "wrong"}

    def log_in(address: str) -> int:
        headers = {"X-Forwarded-For": address}
        return client.send("POST", "/auth/login", json=wrong, headers=headers).status_code

    assert [log_in("192.0.2.1") for _ in range(3)] == [401, 401, 429]
    assert log_in("192.0.2.2") == 401
    assert log_in("192.0.2.1, 192.0.2.3") == 401


def test_an_address_is_not_taken_from_a_header_unasked(start_client: NewClient) -> None:
    client = start_client(rate_limit_enabled=True, rate_limit_login="1/minute")
    wrong = {"username": "nobody", "password": "wrong"}
    statuses = [
        client.send(
            "POST", "/auth/login", json=wrong, headers={"X-Forwarded-For": f"192.0.2.{n}"}
        ).status_code
        for n in range(2)
    ]
    assert statuses == [401, 429]


def test_without_its_storage_a_process_counts_for_itself(start_client: NewClient) -> None:
    client = start_client(
        rate_limit_enabled=True,
        rate_limit_storage="redis://127.0.0.1:1",
        rate_limit_query="2/minute",
    ).as_viewer()
    assert [client.send("GET", "/bot").status_code for _ in range(3)] == [200, 200, 429]


def test_a_storage_that_makes_no_sense_is_one_line(start_client: NewClient) -> None:
    with pytest.raises(SettingsError, match=r"^BACKEND_RATE_LIMIT_STORAGE: .*$"):
        start_client(rate_limit_enabled=True, rate_limit_storage="redis://host:port")


def test_limits_can_be_switched_off(client: ApiClient) -> None:
    headers = client.as_viewer().send("GET", "/bot").headers
    assert "RateLimit-Limit" not in headers


def test_two_apps_do_not_see_each_others_counters(start_client: NewClient) -> None:
    first, second = (
        start_client(rate_limit_enabled=True, rate_limit_query="1/minute") for _ in range(2)
    )
    assert first.as_viewer().send("GET", "/bot").status_code == 200
    assert second.as_viewer().send("GET", "/bot").status_code == 200
