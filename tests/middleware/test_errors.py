from __future__ import annotations

import functools
from typing import Any

from tests.api_client import ApiClient, NewClient
from tests.middleware.log_file import read_log


def test_a_method_that_a_path_does_not_have(client: ApiClient) -> None:
    response = client.as_admin().send("PUT", "/bot")
    assert (response.status_code, response.get_json()["type"]) == (405, "method_not_allowed")
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS"


def test_a_defect_is_a_500_that_only_the_log_explains(start_client: NewClient) -> None:
    client = start_client()

    @functools.wraps(client.app.view_functions["health.check_health"])
    def fail() -> Any:
        raise LookupError("the reason")

    client.app.view_functions["health.check_health"] = fail
    response = client.send("GET", "/healthz", headers={"X-Request-ID": "defect-1"})
    assert (response.status_code, response.get_json()["type"]) == (500, "internal_error")
    assert b"LookupError" not in response.data
    assert b"the reason" not in response.data
    log = read_log(client, "defect-1")
    assert "LookupError: the reason" in log
    assert "Traceback" in log
