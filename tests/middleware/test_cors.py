from __future__ import annotations

from tests.api_client import ApiClient, NewClient

ORIGIN = "https://app.example.org"


def test_a_configured_origin_may_read_answers_and_errors(start_client: NewClient) -> None:
    client = start_client(cors_origins=(ORIGIN,)).as_viewer()
    for path in ("/bot", "/orders/x"):
        headers = client.send("GET", path, headers={"Origin": ORIGIN}).headers
        assert headers["Access-Control-Allow-Origin"] == ORIGIN
        exposed = headers["Access-Control-Expose-Headers"].split(", ")
        assert {"RateLimit-Remaining", "RateLimit", "RateLimit-Policy"} <= set(exposed)
        assert "Access-Control-Allow-Credentials" not in headers


def test_a_configured_origin_may_ask_before_it_sends(start_client: NewClient) -> None:
    client = start_client(cors_origins=(ORIGIN,))
    response = client.send(
        "OPTIONS",
        "/orders",
        headers={
            "Origin": ORIGIN,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization, content-type",
        },
    )
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "POST" in response.headers["Access-Control-Allow-Methods"]
    allowed = response.headers["Access-Control-Allow-Headers"].lower()
    assert {"authorization", "content-type"} <= set(allowed.split(", "))


def test_no_other_origin_may(start_client: NewClient, client: ApiClient) -> None:
    other = {"Origin": "https://evil.example.org"}
    for tested in (client, start_client(cors_origins=(ORIGIN,))):
        headers = tested.send("GET", "/healthz", headers=other).headers
        assert "Access-Control-Allow-Origin" not in headers
