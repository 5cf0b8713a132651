from __future__ import annotations

import pytest

from tests.api_client import ApiClient


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
        (b'{"side": "buy", "side": "sell"}', "application/json", 400, "malformed_request"),
        (b"[" * 40 + b"]" * 40, "application/json", 400, "malformed_request"),
        (b'{"a": 1}', "application/json;" + " a=b;" * 1000, 415, "unsupported_media_type"),
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


def test_a_side_that_is_given_twice_is_neither(client: ApiClient) -> None:
    body = b'{"symbol":"BTC/USDT","side":"buy","side":"sell","type":"market","quantity":"0.01"}'
    headers = {"Content-Type": "application/json"}
    response = client.as_trader().send("POST", "/orders", data=body, headers=headers)
    assert (response.status_code, response.get_json()["fields"]) == (
        400,
        [{"field": "side", "message": "is given more than once"}],
    )


@pytest.mark.parametrize("digits", ["٠.٠١", "0.0१", "０.０１", "1_0", " 1", "1e١"])
@pytest.mark.parametrize("field", ["quantity", "price"])
def test_amounts_are_written_in_ascii_digits(client: ApiClient, field: str, digits: str) -> None:
    order = {"symbol": "BTC/USDT", "side": "buy", "type": "limit", "quantity": "1", "price": "9"}
    problem = client.as_trader().post("/orders", json={**order, field: digits}, expect=400)
    assert [found["field"] for found in problem["fields"]] == [field]


@pytest.mark.parametrize("query", ["limit=%D9%A1", "limit=%EF%BC%91"])
def test_numbers_of_a_query_are_ascii_digits(client: ApiClient, query: str) -> None:
    problem = client.as_trader().get(f"/trades/history?{query}", expect=400)
    assert [found["field"] for found in problem["fields"]] == ["limit"]


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
