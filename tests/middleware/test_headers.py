from __future__ import annotations

import re

import pytest

from tests.api_client import ApiClient


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
