"""What wraps every request: ids, errors, refused input, CORS, limits, access to the contract."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urljoin

import pytest
from flask import Flask

from backend.app import close_app, create_app
from backend.services import Services
from backend.settings.model import SettingsError
from tests.api_client import PASSWORD, ApiClient

NewClient = Callable[..., ApiClient]


@pytest.fixture
def start_client(app: Flask) -> Iterator[NewClient]:
    """Start further apps on the same bot, with settings of their own."""
    with ExitStack() as stack:

        def start(**changes: object) -> ApiClient:
            parts: Services = app.extensions["backend"]
            settings = parts.settings.model_copy(update=changes)
            other = create_app(settings, parts.bridge, parts.hub, parts.host, parts.database)
            stack.callback(close_app, other)
            return ApiClient(other)

        yield start


def test_each_answer_has_an_id_of_its_own(client: ApiClient) -> None:
    ids = [client.send("GET", "/healthz").headers["X-Request-ID"] for _ in range(3)]
    assert len(set(ids)) == 3
    assert all(re.fullmatch("[0-9a-f]{24}", text) for text in ids)


def test_a_sane_id_of_the_clients_is_kept(client: ApiClient) -> None:
    response = client.send("GET", "/nowhere", headers={"X-Request-ID": "trace-1.a_B"})
    assert response.headers["X-Request-ID"] == "trace-1.a_B"
    assert response.get_json()["request_id"] == "trace-1.a_B"


@pytest.mark.parametrize("sent", ["", "a" * 65, "a b", "a,b", 'a"b', "ä"])
def test_another_id_is_replaced(client: ApiClient, sent: str) -> None:
    response = client.send("GET", "/healthz", headers={"X-Request-ID": sent})
    assert re.fullmatch("[0-9a-f]{24}", response.headers["X-Request-ID"])


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/orders", "/nowhere", "/docs"])
def test_every_answer_has_the_security_headers(client: ApiClient, path: str) -> None:
    headers = client.send("GET", path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"


def test_answers_about_people_are_not_stored(client: ApiClient) -> None:
    response = client.as_viewer().send("GET", "/auth/me")
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("prefix", ["/api", "/api/v1"])
def test_the_version_may_be_left_out(client: ApiClient, prefix: str) -> None:
    assert client.as_viewer().get(f"{prefix}/bot")["state"] == "running"


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/v1", "/api/v2/bot", "/api/v1/v1/bot", "/bot/", "//bot", "/x"]
)
def test_other_paths_are_unknown(client: ApiClient, path: str) -> None:
    assert client.as_viewer().get(path, expect=404)["type"] == "not_found"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *[("GET", path) for path in ("/portfolio", "/portfolio/balance", "/orders", "/orders/x")],
        *[("GET", path) for path in ("/trades/history", "/trades/x", "/exchanges", "/markets")],
        *[("GET", path) for path in ("/tickers", "/tickers/BTC-USDT", "/candles/BTC-USDT")],
        *[("GET", path) for path in ("/config", "/config/schema", "/bot", "/auth/me", "/audit")],
        ("POST", "/orders"),
        ("PATCH", "/config"),
        ("POST", "/bot/restart"),
        ("PUT", "/sandbox/prices/BTC-USDT"),
    ],
)
def test_strangers_are_turned_away(client: ApiClient, method: str, path: str) -> None:
    response = client.send(method, path)
    assert (response.status_code, response.get_json()["type"]) == (401, "not_authenticated")
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("role", "method", "path"),
    [
        ("viewer", "POST", "/orders"),
        ("viewer", "DELETE", "/orders/x"),
        ("trader", "GET", "/config"),
        ("trader", "PATCH", "/config"),
        ("trader", "POST", "/bot/stop"),
        ("trader", "GET", "/audit"),
    ],
)
def test_roles_have_bounds(client: ApiClient, role: str, method: str, path: str) -> None:
    user = {"viewer": client.as_viewer, "trader": client.as_trader}[role]()
    response = user.send(method, path)
    assert (response.status_code, response.get_json()["type"]) == (403, "forbidden")


@pytest.mark.parametrize(
    ("body", "content_type", "status", "kind"),
    [
        (b"{", "application/json", 400, "malformed_request"),
        (b"", "application/json", 400, "validation_error"),
        (b"", None, 400, "validation_error"),
        (b"[]", "application/json", 400, "validation_error"),
        (b'"text"', "application/json", 400, "validation_error"),
        (b'{"quantity": NaN}', "application/json", 400, "malformed_request"),
        (b'{"quantity": Infinity}', "application/json", 400, "malformed_request"),
        (b'{"symbol": "\xff"}', "application/json", 400, "malformed_request"),
        (b'{"symbol": "\\ud800"}', "application/json", 400, "malformed_request"),
        (b"[" * 100_000, "application/json", 400, "malformed_request"),
        (b'{"a": 1}', "text/plain", 415, "unsupported_media_type"),
        (b'{"a": 1}', None, 415, "unsupported_media_type"),
        (b"a=1", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b"", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b"x" * (1024 * 1024 + 1), "application/json", 413, "body_too_large"),
        (b"x" * (1024 * 1024 + 2), "application/json", 413, "body_too_large"),
    ],
)
def test_what_is_no_order_at_all_is_refused(
    client: ApiClient, body: bytes, content_type: str | None, status: int, kind: str
) -> None:
    response = client.as_trader().send("POST", "/orders", data=body, content_type=content_type)
    assert (response.status_code, response.get_json()["type"]) == (status, kind)


def test_a_refusal_names_the_fields_and_keeps_the_input_to_itself(client: ApiClient) -> None:
    response = client.send(
        "POST", "/auth/login", json={"username": ["my secret"], "passwrd": "my secret"}
    )
    problem = response.get_json()
    assert [field["field"] for field in problem["fields"]] == ["username", "password", "passwrd"]
    assert b"my secret" not in response.data


def test_a_rule_about_several_fields_names_the_one_to_change(client: ApiClient) -> None:
    order = {"symbol": "BTC/USDT", "side": "buy", "type": "limit", "quantity": "1"}
    problem = client.as_trader().post("/orders", json=order, expect=400)
    assert problem["fields"] == [{"field": "price", "message": "is required for a limit order"}]


def test_a_refusal_stays_short(client: ApiClient) -> None:
    order = {f"{number}-{'x' * 500}": 1 for number in range(1000)}
    response = client.as_trader().send("POST", "/orders", json=order)
    assert response.status_code == 400
    assert len(response.data) < 5000


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/orders?limit=0", ["limit"]),
        ("/orders?limit=501", ["limit"]),
        ("/orders?limit=1&limit=2", ["limit"]),
        ("/orders?status=gone&unknown=1", ["status", "unknown"]),
        ("/orders?symbol=x", ["symbol"]),
        ("/trades/history?since=yesterday", ["since"]),
        ("/trades/history?since=2026-01-01T00:00:00", ["since"]),
        ("/candles/BTC-USDT?interval=2m", ["interval"]),
        ("/portfolio?surprise=1", ["surprise"]),
        ("/auth/me?surprise=1", ["surprise"]),
    ],
)
def test_bad_and_unknown_parameters_are_named(
    client: ApiClient, path: str, fields: list[str]
) -> None:
    problem = client.as_trader().get(path, expect=400)
    assert problem["type"] == "validation_error"
    assert [field["field"] for field in problem["fields"]] == fields


def test_a_body_where_none_is_asked_for_is_harmless(client: ApiClient) -> None:
    response = client.as_viewer().send("GET", "/bot", data=b"{", content_type="text/plain")
    assert response.status_code == 200


def test_a_method_that_a_path_does_not_have(client: ApiClient) -> None:
    response = client.as_admin().send("PUT", "/bot")
    assert (response.status_code, response.get_json()["type"]) == (405, "method_not_allowed")
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS"


def logged(client: ApiClient, expected: str) -> str:
    """Return the whole log once it holds what is expected."""
    log = client.app.extensions["backend"].settings.home / "logs" / "backend.log"
    deadline = time.monotonic() + 60
    while expected not in (text := log.read_text()):
        assert time.monotonic() < deadline, text
        time.sleep(0.05)
    return text


def test_a_defect_is_a_500_that_only_the_log_explains(start_client: NewClient) -> None:
    client = start_client()

    @functools.wraps(client.app.view_functions["health.check_health"])
    def fail() -> Any:
        raise LookupError("the reason")

    client.app.view_functions["health.check_health"] = fail
    response = client.send("GET", "/healthz", headers={"X-Request-ID": "defect-1"})
    assert (response.status_code, response.get_json()["type"]) == (500, "internal_error")
    assert b"LookupError" not in response.data
    assert b"the reason" not in response.data
    log = logged(client, "defect-1")
    assert "LookupError: the reason" in log
    assert "Traceback" in log


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
    trader = client.as_trader()
    trader.delete("/orders/x", expect=404)
    trader.delete("/orders/x", expect=429)
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


ORIGIN = "https://app.example.org"


def test_a_configured_origin_may_read_answers_and_errors(start_client: NewClient) -> None:
    client = start_client(cors_origins=(ORIGIN,)).as_viewer()
    for path in ("/bot", "/orders/x"):
        headers = client.send("GET", path, headers={"Origin": ORIGIN}).headers
        assert headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "RateLimit-Remaining" in headers["Access-Control-Expose-Headers"]
        assert "Access-Control-Allow-Credentials" not in headers


def test_a_configured_origin_may_ask_before_it_sends(start_client: NewClient) -> None:
    client = start_client(cors_origins=(ORIGIN,))
    response = client.send(
        "OPTIONS",
        "/orders",
        headers={
            "Origin": ORIGIN,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization, content-type",
        },
    )
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "POST" in response.headers["Access-Control-Allow-Methods"]
    allowed = response.headers["Access-Control-Allow-Headers"].lower()
    assert {"authorization", "content-type"} <= set(allowed.split(", "))


def test_no_other_origin_may(start_client: NewClient, client: ApiClient) -> None:
    other = {"Origin": "https://evil.example.org"}
    for tested in (client, start_client(cors_origins=(ORIGIN,))):
        headers = tested.send("GET", "/healthz", headers=other).headers
        assert "Access-Control-Allow-Origin" not in headers


def test_in_development_the_contract_and_its_page_are_for_everybody(client: ApiClient) -> None:
    document = client.send("GET", "/openapi.json").get_json()
    page = client.send("GET", "/docs")
    assert document["openapi"].startswith("3.1")
    assert page.mimetype == "text/html"
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]
    sources = re.findall(r'(?:src|href)="([^"]+)"', page.get_data(as_text=True))
    assert len(sources) == 5
    for source in [source for source in sources if not source.startswith("data:")]:
        assert client.send("GET", urljoin("/docs", source)).status_code == 200
    assert client.send("GET", "/docs/other.js").status_code == 404


def test_in_production_the_contract_is_for_users_and_there_is_no_page(
    start_client: NewClient,
) -> None:
    client = start_client(env="production")
    assert client.send("GET", "/openapi.json").status_code == 401
    assert client.as_viewer().send("GET", "/openapi.json").get_json()["openapi"]
    assert client.as_viewer().send("GET", "/docs").status_code == 404


def test_the_beginning_leads_everywhere_and_tells_no_version(client: ApiClient) -> None:
    shown = client.get("/")
    assert shown == {
        "name": "octobot-backend",
        "api": "/api/v1",
        "contract": "/openapi.json",
        "docs": "/docs",
        "health": "/healthz",
        "readiness": "/readyz",
    }
    for entrance in ("contract", "docs", "health", "readiness"):
        assert client.send("GET", shown[entrance]).status_code == 200
    assert client.as_viewer().send("GET", f"{shown['api']}/bot").status_code == 200


def test_the_beginning_behind_a_proxy_leads_through_the_proxy(start_client: NewClient) -> None:
    client = start_client(trusted_proxies=1, env="production")
    shown = client.send("GET", "/", headers={"X-Forwarded-Prefix": "/bot"}).get_json()["data"]
    assert (shown["api"], shown["docs"]) == ("/bot/api/v1", None)


def test_two_apps_do_not_see_each_others_counters(start_client: NewClient) -> None:
    first, second = (
        start_client(rate_limit_enabled=True, rate_limit_query="1/minute") for _ in range(2)
    )
    assert first.as_viewer().send("GET", "/bot").status_code == 200
    assert second.as_viewer().send("GET", "/bot").status_code == 200


def test_what_is_logged_holds_no_secret(client: ApiClient) -> None:
    tokens = client.post("/auth/login", json={"username": "trader", "password": PASSWORD})
    access, refresh = tokens["access_token"], tokens["refresh_token"]
    client.post("/auth/refresh", json={"refresh_token": refresh})
    client.send(
        "GET",
        f"/{access}?ticket={refresh}",
        headers={"Authorization": f"Bearer {access}", "X-Request-ID": "the-last-one"},
    )
    text = logged(client, "the-last-one")
    assert not [secret for secret in (PASSWORD, access, refresh) if secret in text]
