"""The log that the backend writes into its home."""

from __future__ import annotations

import time

from tests.api_client import ApiClient


def read_log(client: ApiClient, expected: str) -> str:
    """Return the whole log once it holds what is expected."""
    log = client.app.extensions["backend"].settings.home / "logs" / "backend.log"
    deadline = time.monotonic() + 60
    while expected not in (text := log.read_text()):
        assert time.monotonic() < deadline, text
        time.sleep(0.05)
    return text
