"""Behind real proxies, set up as docs/running.md says: at the root of a site, below a path."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.headless_browser import Page, open_browser
from tests.security.conftest import Proxied
from tests.security.reverse_proxies import caddy
from tests.websocket.websocket_client import WebSocketClient

pytestmark = pytest.mark.long

ORDER = {"symbol": "BTC/USDT", "side": "buy", "type": "limit", "quantity": "0.01", "price": "9000"}
PREFIXES = pytest.mark.parametrize("below", ["", "/octobot"])


@PREFIXES
def test_a_location_leads_back_through_the_proxy(proxied: Proxied, below: str) -> None:
    with proxied.log_in(below) as client:
        created = client.post("/api/v1/orders", json=ORDER)
        assert created.status_code == 201, created.text
        location = created.headers["Location"]
        assert location == f"{below}/api/v1/orders/{created.json()['data']['id']}"
        again = client.get(proxied.url + location)
        assert again.json()["data"]["price"] == "9000"
        assert client.delete(proxied.url + location).json()["data"]["status"] == "canceled"


@PREFIXES
def test_the_contract_says_where_it_is_served(proxied: Proxied, below: str) -> None:
    with proxied.client(below) as client:
        document = client.get("/openapi.json").json()
    assert document.get("servers", []) == ([{"url": below}] if below else [])


def first_events(response: httpx.Response, count: int) -> list[dict[str, Any]]:
    """Read whole events as they arrive, until there are so many."""
    events: list[dict[str, Any]] = []
    for line in response.iter_lines():
        if line.startswith("data: "):
            events.append(json.loads(line.removeprefix("data: ")))
            if len(events) == count:
                break
    return events


@PREFIXES
def test_a_stream_is_not_held_back(proxied: Proxied, below: str) -> None:
    with proxied.log_in(below) as client, client.stream("GET", "/api/v1/stream/prices") as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        snapshot, *prices = first_events(answer, 4)
    assert snapshot["topic"] == "prices"
    assert all(price["price"] for price in prices)


def open_socket(proxied: Proxied, below: str, origin: str) -> WebSocketClient:
    """Open one as a page of an origin would."""
    headers = {"Authorization": f"Bearer {proxied.server.login()}", "Origin": origin}
    port = urlsplit(proxied.url).port or 0
    return WebSocketClient(port, f"{below}/ws", headers=headers, trust=proxied.trust)


@PREFIXES
def test_a_websocket_passes(proxied: Proxied, below: str) -> None:
    peer = open_socket(proxied, below, proxied.url)
    assert peer.status == 101, peer.head
    peer.send_request("ping", 1)
    answer = peer.receive()
    assert answer is not None
    assert (answer["id"], answer["status"]) == (1, 200)
    peer.socket.close()


@PREFIXES
def test_a_page_of_another_origin_opens_no_websocket(proxied: Proxied, below: str) -> None:
    peer = open_socket(proxied, below, "https://evil.example.org")
    assert peer.status == 403
    peer.socket.close()


def test_the_audit_has_the_clients_address_and_not_the_one_it_claims(proxied: Proxied) -> None:
    # bound to another address of this machine, so that it differs from the proxy's
    transport = httpx.HTTPTransport(verify=proxied.trust, local_address="127.0.0.9")
    claimed = {"X-Forwarded-For": "203.0.113.5", "X-Forwarded-Prefix": "/evil"}
    with httpx.Client(
        transport=transport, base_url=proxied.url, headers=claimed, timeout=60
    ) as client:
        login = {"username": "nobody-of-this-name", "password": "wrong"}
        refused = client.post("/api/v1/auth/login", json=login)
        assert refused.status_code == 401
        assert "servers" not in client.get("/openapi.json").json()
    with proxied.server.client() as admin:
        entries = admin.get("/audit?limit=20").json()["data"]
    (entry,) = [row for row in entries if row["request_id"] == refused.headers["X-Request-ID"]]
    assert entry["address"] == "127.0.0.9"


def test_caddy_leads_back_and_does_not_hold_streams_back(
    proxied: Proxied, program: Callable[..., str], tmp_path: Path
) -> None:
    port = urlsplit(proxied.server.url).port or 0
    headers = {"Authorization": f"Bearer {proxied.server.login()}", "X-Forwarded-Prefix": "/evil"}
    with caddy(program("caddy"), tmp_path, port) as url:
        for below in ("", "/octobot"):
            with httpx.Client(base_url=url + below, headers=headers, timeout=60) as client:
                created = client.post("/api/v1/orders", json=ORDER)
                assert created.headers["Location"].startswith(f"{below}/api/v1/orders/")
                assert client.delete(url + created.headers["Location"]).status_code == 200
                with client.stream("GET", "/api/v1/stream/prices") as answer:
                    assert len(first_events(answer, 3)) == 3


@pytest.fixture
def page(program: Callable[..., str], tmp_path: Path, proxied: Proxied) -> Any:
    with open_browser(program("chromium", "chromium-browser", "google-chrome"), tmp_path) as page:
        yield page


def follow(page: Page, address: str) -> str:
    """Open the documentation, try a route out there, and return what is shown of its answer."""
    page.open(f"{address}/docs")
    page.wait_for("document.querySelectorAll('.opblock').length > 20")
    page.click(".btn.authorize")
    page.wait_for("document.querySelector('.modal-ux .auth-container')")
    page.click(".modal-ux .close-modal")
    page.click("#operations-health-check_health .opblock-summary-control")
    page.click("#operations-health-check_health .try-out__btn")
    page.click("#operations-health-check_health .execute")
    shown = (
        "document.querySelector('.live-responses-table tbody .response-col_description')?.innerText"
    )
    return str(page.wait_for(shown))


def test_the_documentation_works_below_a_path_and_breaks_no_policy(
    page: Page, proxied: Proxied
) -> None:
    shown = follow(page, f"{proxied.url}/octobot")
    assert '"status": "ok"' in shown
    asked = page.run("document.querySelector('.request-url pre').innerText")
    assert asked == f"{proxied.url}/octobot/healthz"
    assert page.complaints == []


def test_the_policy_of_the_page_stops_what_is_not_the_servers(page: Page, proxied: Proxied) -> None:
    assert '"status": "ok"' in follow(page, proxied.url)
    assert page.complaints == []
    page.run("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"hit = 1\">')")
    page.run("fetch('https://127.0.0.1:1/').catch(() => { window.stopped = true })")
    page.wait_for("window.stopped")
    assert page.run("typeof hit") == "undefined"
    assert len([text for text in page.complaints if "Content Security Policy" in text]) >= 2
