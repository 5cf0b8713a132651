"""Caching of every route of the contract: nothing about a person or an account is stored."""

from __future__ import annotations

import pytest

from tests.api_client import ApiClient
from tests.security.contract_routes import OPERATIONS, Operation

MARKET_DATA = {
    "/api/v1/exchanges",
    "/api/v1/markets",
    "/api/v1/tickers",
    "/api/v1/tickers/{symbol}",
    "/api/v1/candles/{symbol}",
    "/api/v1/order-book/{symbol}",
}
STREAMS = ("/api/v1/stream", "/api/v1/stream/prices", "/api/v1/stream/orders")
READS = [each for each in OPERATIONS if each.method == "GET" and each.template not in STREAMS]


def expected(operation: Operation) -> list[str]:
    return ["private, no-cache" if operation.template in MARKET_DATA else "no-store"]


@pytest.mark.parametrize("operation", READS, ids=str)
def test_what_a_read_answers_is_stored_nowhere(client: ApiClient, operation: Operation) -> None:
    response = client.as_admin().send("GET", operation.path)
    assert response.status_code not in (401, 403, 429, 500), response.get_json()
    assert response.headers.getlist("Cache-Control") == expected(operation)


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_no_refusal_is_stored(client: ApiClient, operation: Operation) -> None:
    stranger = client.send(operation.method, f"{operation.path}?no_such_parameter=1", json={})
    assert stranger.headers.getlist("Cache-Control") == ["no-store"]
    admin = client.as_admin().send(
        operation.method, f"{operation.path}?no_such_parameter=1", json={}
    )
    assert admin.status_code in (400, 403)
    assert admin.headers.getlist("Cache-Control") == expected(operation)


def test_an_answer_with_an_etag_is_asked_for_again_and_stored_nowhere(client: ApiClient) -> None:
    admin = client.as_admin()
    etag = admin.send("GET", "/portfolio").headers["ETag"]
    again = admin.send("GET", "/portfolio", headers={"If-None-Match": etag})
    assert again.status_code in (200, 304)
    assert again.headers.getlist("Cache-Control") == ["no-store"]


@pytest.mark.parametrize("path", ["/", "/metrics", "/openapi.json", "/nowhere"])
def test_what_stands_beside_the_contract_is_not_stored(client: ApiClient, path: str) -> None:
    assert client.send("GET", path).headers.getlist("Cache-Control") == ["no-store"]


def test_files_of_the_documentation_are_stored_for_an_hour(client: ApiClient) -> None:
    headers = client.send("GET", "/docs/swagger_bundle.js").headers
    assert headers.getlist("Cache-Control") == ["private, max-age=3600"]
