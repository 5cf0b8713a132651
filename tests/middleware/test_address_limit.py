"""Every route is under its caller's address limit, whatever it answers; health has its own."""

from __future__ import annotations

import pytest

from tests.api_client import NewClient

EVERYWHERE = ["/", "/docs", "/openapi.json", "/metrics", "/ws", "/nowhere", "/api/nowhere"]

_EXISTING = ("/api/v1/orders", "/api/v1/orders")


def test_routes_outside_the_api_are_limited_too(start_client: NewClient) -> None:
    client = start_client(rate_limit_enabled=True, rate_limit_address="7/minute").app.test_client()
    for path in EVERYWHERE:
        assert client.get(path).status_code != 429
    for path in EVERYWHERE:
        refused = client.get(path)
        assert (refused.status_code, refused.get_json()["type"]) == (429, "rate_limited")
        assert refused.headers["Retry-After"] == refused.headers["RateLimit-Reset"]
        assert (refused.headers["RateLimit-Limit"], refused.headers["RateLimit-Remaining"]) == (
            "7",
            "0",
        )
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200


def test_health_is_limited_by_itself(start_client: NewClient) -> None:
    limits = {"rate_limit_address": "5/minute", "rate_limit_health": "2/minute"}
    client = start_client(rate_limit_enabled=True, **limits).app.test_client()
    assert [client.get("/healthz").status_code for _ in range(3)] == [200, 200, 429]
    assert client.get("/readyz").status_code == 429
    assert client.get("/").status_code == 200


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS", "PROPFIND"])
def test_every_method_counts(start_client: NewClient, method: str) -> None:
    client = start_client(rate_limit_enabled=True, rate_limit_address="2/minute").app.test_client()
    statuses = [client.open(path, method=method).status_code for path in ("/nowhere", *_EXISTING)]
    assert statuses[2] == 429
    assert 429 not in statuses[:2]
