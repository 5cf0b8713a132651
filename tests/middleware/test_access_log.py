from __future__ import annotations

from tests.api_client import PASSWORD, ApiClient
from tests.middleware.log_file import read_log


def test_what_is_logged_holds_no_secret(client: ApiClient) -> None:
    tokens = client.post("/auth/login", json={"username": "trader", "password": PASSWORD})
    access, refresh = tokens["access_token"], tokens["refresh_token"]
    client.post("/auth/refresh", json={"refresh_token": refresh})
    client.send(
        "GET",
        f"/{access}?ticket={refresh}",
        headers={"Authorization": f"Bearer {access}", "X-Request-ID": "the-last-one"},
    )
    text = read_log(client, "the-last-one")
    assert not [secret for secret in (PASSWORD, access, refresh) if secret in text]
