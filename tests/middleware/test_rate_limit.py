from __future__ import annotations

import pytest

from backend.settings.model import SettingsError
from tests.api_client import ApiClient, NewClient


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
    wrong = {"username": "trader", "password": "wrong"}
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
