"""The second paths over HTTP, below both bases."""

from __future__ import annotations

import httpx
import pytest

from tests.api_client import PASSWORD
from tests.http_server import HttpServer


@pytest.mark.parametrize("base", ["/api/v1", "/api"])
def test_a_session_is_opened_and_ended(served: HttpServer, base: str) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{served.port}{base}", timeout=60) as client:
        login = {"username": "trader", "password": PASSWORD, "device_name": "Phone"}
        tokens = client.post("/signin", json=login).json()["data"]
        client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        changed = client.patch("/auth/me", json={"name": "Ada"}).json()["data"]
        assert (changed["username"], changed["name"], changed["referrals"]) == ("trader", "Ada", 0)
        ended = client.post("/signout", json={"refresh_token": tokens["refresh_token"]})
        assert ended.json()["data"] == {"ended": "session"}
        assert client.get("/auth/me").status_code == 401
