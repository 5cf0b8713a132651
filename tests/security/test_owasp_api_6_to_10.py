"""The OWASP API Security Top 10 of 2023, items 6 to 10: flows, addresses, headers, inventory.

More of it: test_access_matrix.py (9), test_behind_proxies.py (8), tests/recovery (6, 10).
"""

from __future__ import annotations

import re
from typing import Any

import ccxt
import pytest
from flask import Flask

from tests.api_client import ApiClient
from tests.security.contract_routes import BODIES, DOCUMENT, OPERATIONS, model, texts_and_lists

LIMIT = {"symbol": "BTC/USDT", "side": "buy", "type": "limit", "quantity": "0.01", "price": "9000"}


class TestApi6UnrestrictedAccessToSensitiveBusinessFlows:
    """Orders are limited apart from all else, and a repeated click buys once."""

    def test_orders_have_a_limit_of_their_own(self) -> None:
        for path, method in (("/orders", "post"), ("/orders/batch", "post"), ("/orders", "delete")):
            operation = DOCUMENT["paths"][f"/api/v1{path}"][method]
            assert "429" in operation["responses"]
            assert operation["x-scope"] == "orders:write"

    def test_a_click_that_is_repeated_places_one_order(self, client: ApiClient) -> None:
        trader = client.as_trader()
        named = {"Idempotency-Key": "one-click"}
        ids = {
            trader.post("/orders", json=LIMIT, headers=named, expect=201)["id"] for _ in range(5)
        }
        assert len(ids) == 1
        trader.delete(f"/orders/{ids.pop()}")


class TestApi7ServerSideRequestForgery:
    """No request names an address that the server would then ask."""

    @pytest.mark.parametrize(("method", "path", "schema"), BODIES)
    def test_no_body_has_a_field_for_an_address(
        self, method: str, path: str, schema: dict[str, Any]
    ) -> None:
        for name, part in texts_and_lists(model(schema)):
            assert part.get("format") not in ("uri", "url", "hostname", "ipv4", "ipv6"), name
            assert not re.search(r"\b(url|uri|host|callback|webhook|proxy)", name), name

    def test_no_parameter_does(self) -> None:
        for operation in OPERATIONS:
            described = DOCUMENT["paths"][operation.template][operation.method.lower()]
            for parameter in described.get("parameters", []):
                assert not re.search("url|uri|host|callback|webhook", parameter["name"].lower())


class TestApi8SecurityMisconfiguration:
    """Every answer is guarded, and none tells what runs here."""

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "/healthz", 200),
            ("GET", "/api/v1/orders", 401),
            ("GET", "/nowhere", 404),
            ("PUT", "/healthz", 405),
            ("OPTIONS", "/api/v1/orders", 200),
            ("GET", "/openapi.json", 200),
            ("GET", "/docs", 200),
            ("GET", "/metrics", 200),
        ],
    )
    def test_every_answer_bears_the_headers(
        self, client: ApiClient, method: str, path: str, status: int
    ) -> None:
        answer = client.app.test_client().open(path, method=method)
        assert answer.status_code == status
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        (policy,) = answer.headers.getlist("Content-Security-Policy")
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert "base-uri 'none'" in policy
        assert "object-src 'none'" in policy
        for name in ("Server", "X-Powered-By", "Access-Control-Allow-Origin", "Set-Cookie"):
            assert name not in answer.headers

    def test_no_answer_repeats_the_host_that_was_asked(self, client: ApiClient) -> None:
        for path in ("/nowhere", "/docs", "/openapi.json", "/healthz"):
            answer = client.app.test_client().get(path, headers={"Host": "evil.example.org"})
            assert "evil.example.org" not in answer.text + str(answer.headers)

    @pytest.mark.parametrize(
        "body", [b"{", b"\xff\xfe", b"[" * 5000, b'{"a":' * 900, b'{"quantity": 1e999}', b"\x00"]
    )
    def test_no_input_gets_a_trace(self, client: ApiClient, body: bytes) -> None:
        answer = client.as_trader().send(
            "POST", "/orders", data=body, content_type="application/json"
        )
        assert answer.status_code == 400
        assert not re.search(r"Traceback|\.py|line \d+|Error\(|backend\.", answer.text)


class TestApi9ImproperInventoryManagement:
    """What is served is what is written down; test_access_matrix.py compares the two."""

    def test_strangers_learn_no_version(self, client: ApiClient) -> None:
        version = DOCUMENT["info"]["version"]
        for path in ("/healthz", "/readyz", "/api/v1/bot", "/nowhere", "/api/v1/auth/login"):
            answer = client.app.test_client().get(path)
            assert version not in answer.text + str(answer.headers)

    @pytest.mark.parametrize(
        "path",
        [
            *(
                "/admin",
                "/debug",
                "/console",
                "/actuator",
                "/server-status",
                "/.env",
                "/.git/config",
            ),
            *("/swagger.yaml", "/static/x", "/api/v1/docs", "/graphql", "/api/v0/bot", "/wsgi.py"),
        ],
    )
    def test_nothing_else_is_served(self, client: ApiClient, path: str) -> None:
        assert client.as_admin().send("GET", path).status_code == 404


class TestApi10UnsafeConsumptionOfApis:
    """What an exchange answers is not passed on unread."""

    @pytest.mark.parametrize(
        "kind",
        [
            ccxt.ExchangeError,
            ccxt.AuthenticationError,
            ccxt.InsufficientFunds,
            ccxt.InvalidOrder,
            ccxt.RateLimitExceeded,
            ccxt.DDoSProtection,
            ccxt.InvalidNonce,
            ccxt.RequestTimeout,
            ccxt.NetworkError,
        ],
    )
    def test_an_exchanges_own_words_are_not_shown(self, app: Flask, kind: type[Exception]) -> None:
        from backend.bridge.octobot.exchange_errors import (
            CommandOutcome,  # OctoBot's imports warn: `app` has made them
        )

        hostile = '<script>alert(1)</script> {"apiKey": "AKIA-CANARY"} https://x/?signature=abc'
        failures = CommandOutcome()
        failures.record_error(kind(hostile))
        error = failures.as_error()
        assert error is not None
        shown = f"{error.details} {error.title} {error.fields}"
        assert not [word for word in ("script", "CANARY", "signature") if word in shown]
