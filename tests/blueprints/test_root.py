from __future__ import annotations

from tests.api_client import ApiClient, NewClient


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
