from __future__ import annotations

import pytest

from tests.api_client import ApiClient


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
