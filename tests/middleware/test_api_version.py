from __future__ import annotations

import pytest

from tests.api_client import ApiClient


@pytest.mark.parametrize("prefix", ["/api", "/api/v1"])
def test_the_version_may_be_left_out(client: ApiClient, prefix: str) -> None:
    assert client.as_viewer().get(f"{prefix}/bot")["state"] == "running"


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/v1", "/api/v2/bot", "/api/v1/v1/bot", "/bot/", "//bot", "/x"]
)
def test_other_paths_are_unknown(client: ApiClient, path: str) -> None:
    assert client.as_viewer().get(path, expect=404)["type"] == "not_found"
