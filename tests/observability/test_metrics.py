"""/metrics: what it tells, whom it tells, and that it repeats nothing that a client sent."""

from __future__ import annotations

import gc
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from backend.app import add_server_metrics, close_app, create_app
from backend.concurrency.gc_tuning import FULL_COLLECTION_THRESHOLD
from backend.services import Services
from tests.api_client import ApiClient
from tests.clients.doc_snippets import ROOT
from tests.http_server import HttpServer, get, small_app

TOKEN = "c1f0b2e79a6d48351c2d"
LIMIT = {"symbol": "BTC/USDT", "side": "buy", "type": "limit", "quantity": "0.01", "price": "9000"}
Numbers = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def start_app(app: Flask) -> Iterator[Callable[..., Flask]]:
    """Start further apps on the same bot: each has metrics of its own."""
    with ExitStack() as stack:

        def start(**changes: object) -> Flask:
            parts: Services = app.extensions["backend"]
            settings = parts.settings.model_copy(update=changes)
            other = create_app(settings, parts.bridge, parts.hub, parts.host, parts.database)
            stack.callback(close_app, other)
            return other

        yield start


@pytest.fixture
def server() -> Iterator[HttpServer]:
    """A server of its own, whose connections are counted."""
    with closing(HttpServer(small_app())) as served:
        yield served


def ask(app: Flask, address: str = "127.0.0.1", **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return app.test_client().get(
        "/metrics", headers=named, environ_overrides={"REMOTE_ADDR": address}
    )


def numbers(app: Flask) -> Numbers:
    """Read all of them with Prometheus' own parser."""
    answer = ask(app)
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain; version=")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(found: Numbers, name: str, **labels: str) -> float:
    return found.get((name, frozenset(labels.items())), 0.0)


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_requests_are_counted_by_template_and_timed(start_app: Callable[..., Flask]) -> None:
    app = start_app()
    viewer = ApiClient(app).as_viewer()
    for order_id in ("a", "b", "c"):
        viewer.get(f"/orders/{order_id}", expect=404)
    found = numbers(app)
    route = {"method": "GET", "route": "/api/v1/orders/<order_id>"}
    assert value(found, "octobot_http_requests_total", **route, status="404") == 3
    assert value(found, "octobot_http_request_seconds_count", **route) == 3
    assert value(found, "octobot_http_request_seconds_bucket", **route, le="+Inf") == 3
    assert 0 < value(found, "octobot_http_request_seconds_sum", **route) < 60
    assert value(found, "octobot_http_errors_total", type="order_not_found") == 3


def test_nothing_that_a_client_sent_becomes_a_label(start_app: Callable[..., Flask]) -> None:
    app = start_app()
    client = ApiClient(app).as_admin()
    for number in range(20):
        client.send(
            "GET", f"/canary-{number}?canary=1", headers={"X-Request-ID": f"canary{number}"}
        )
        client.send(f"CANARY{number}", "/bot", headers={"User-Agent": "canary"})
    client.send("GET", "/tickers/CANARY-USDT")
    text = ask(app).text
    assert "canary" not in text.lower()
    found = numbers(app)
    assert (
        value(found, "octobot_http_requests_total", method="GET", route="none", status="404") == 20
    )
    other = {"method": "other", "route": "none", "status": "405"}
    assert value(found, "octobot_http_requests_total", **other) == 20


def test_the_bot_is_shown_as_it_stands(app: Flask) -> None:
    client = ApiClient(app).as_admin()
    found = numbers(app)
    assert value(found, "octobot_bot_state", state="running") == 1
    assert sum(number for (name, _), number in found.items() if name == "octobot_bot_state") == 1
    assert value(found, "octobot_bot_ready") == 1
    assert 0 <= value(found, "octobot_bot_lag_seconds") < 60
    client.post("/bot/pause")
    assert value(numbers(app), "octobot_bot_state", state="paused") == 1
    client.post("/bot/resume")


def test_no_collection_looks_at_a_bot_that_has_booted(app: Flask) -> None:
    assert app.extensions["backend"].bridge.readiness().ready
    assert gc.get_freeze_count() > 100_000
    assert gc.get_threshold()[2] == FULL_COLLECTION_THRESHOLD


def test_orders_and_refusals_are_counted(app: Flask) -> None:
    trader = ApiClient(app).as_trader()
    before = numbers(app)
    order = trader.post("/orders", json=LIMIT, expect=201)
    trader.post("/orders", json=LIMIT | {"quantity": "5"}, expect=422)
    batch = {"orders": [LIMIT | {"price": "9000.001"}]}
    assert trader.post("/orders/batch", json=batch)[0]["order"] is None
    after = numbers(app)

    def grown(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    assert grown("octobot_orders_placed_total", type="limit", side="buy") == 1
    assert grown("octobot_orders_refused_total", reason="insufficient_funds") == 1
    assert grown("octobot_orders_refused_total", reason="price_off_tick") == 1
    assert grown("octobot_orders_open") == 1
    trader.delete(f"/orders/{order['id']}")
    assert value(numbers(app), "octobot_orders_open") == value(before, "octobot_orders_open")
    created = {"event": "order_created"}
    grows = value(before, "octobot_events_total", **created) + 1
    eventually(lambda: value(numbers(app), "octobot_events_total", **created) == grows)


def test_streams_are_counted_while_they_are_open(app: Flask) -> None:
    viewer = ApiClient(app).as_viewer()
    before = value(numbers(app), "octobot_streams_open")
    stream = viewer.send("GET", "/stream/prices")
    assert next(iter(stream.response))
    assert value(numbers(app), "octobot_streams_open") == before + 1
    stream.close()
    eventually(lambda: value(numbers(app), "octobot_streams_open") == before)


def test_the_servers_connections_are_told(
    start_app: Callable[..., Flask], server: HttpServer
) -> None:
    app = start_app()
    add_server_metrics(app, server.server)
    kept = server.connect()
    kept.ask(get("/hello"))
    server.ask(b"nonsense\r\n\r\n")
    eventually(lambda: value(numbers(app), "octobot_http_connections") == 1)
    found = numbers(app)
    assert value(found, "octobot_http_refused_total", status="400") == 1
    assert ("octobot_http_lag_seconds", frozenset()) in found
    assert value(found, "octobot_http_connections_all") >= 1
    assert value(found, "octobot_http_connections_limit") == server.server.max_connections


def test_dropped_connections_are_counted_by_reason(
    start_app: Callable[..., Flask], server: HttpServer
) -> None:
    app = start_app()
    add_server_metrics(app, server.server)
    server.server.admission.dropped.update(address=3, evicted=2)
    found = numbers(app)
    name = "octobot_http_connections_dropped_total"
    assert value(found, name, reason="address") == 3
    assert value(found, name, reason="evicted") == 2


def test_two_apps_count_for_themselves(start_app: Callable[..., Flask]) -> None:
    first, second = start_app(), start_app()
    ApiClient(first).get("/healthz")
    route = {"method": "GET", "route": "/healthz", "status": "200"}
    counts = [
        value(numbers(app), "octobot_http_requests_total", **route) for app in (first, second)
    ]
    assert counts == [1, 0]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1"])
def test_without_a_token_this_machine_may_read(app: Flask, address: str) -> None:
    assert ask(app, address).status_code == 200


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("203.0.113.9", {}),
        ("", {}),
        ("127.0.0.1", {"X_Forwarded_For": "127.0.0.1"}),
        ("127.0.0.1", {"X_Real_IP": "127.0.0.1"}),
        ("127.0.0.1", {"Forwarded": "for=127.0.0.1"}),
        ("127.0.0.1", {"Via": "1.1 proxy"}),
    ],
)
def test_without_a_token_nobody_else_may(app: Flask, address: str, headers: dict[str, str]) -> None:
    refused = ask(app, address, **headers)
    assert (refused.status_code, refused.json["type"]) == (403, "forbidden")


def test_with_a_token_whoever_has_it_may(start_app: Callable[..., Flask]) -> None:
    app = start_app(metrics_token=SecretStr(TOKEN))
    for address in ("127.0.0.1", "203.0.113.9"):
        answer = ask(app, address, Authorization=f"Bearer {TOKEN}")
        assert answer.status_code == 200
        assert TOKEN not in answer.text
        assert ask(app, address).json["type"] == "not_authenticated"
        for wrong in (f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN, "Bearer ", "Bearer \udc80é"):
            refused = ask(app, address, Authorization=wrong)
            assert (refused.status_code, refused.json["type"]) == (401, "invalid_token")
    admin = ApiClient(app).as_admin().headers
    assert ask(app, **admin).status_code == 401


def test_every_metric_is_documented(app: Flask) -> None:
    told = {
        family.name
        for family in text_string_to_metric_families(ask(app).text)
        if family.name.startswith("octobot_")
    }
    page = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `(octobot_\w+)", page, re.MULTILINE))
    assert {re.sub("_total$", "", name) for name in listed} == told | {
        "octobot_http_connections",
        "octobot_http_connections_all",
        "octobot_http_connections_dropped",
        "octobot_http_connections_limit",
        "octobot_http_lag_seconds",
        "octobot_http_refused",
    }
