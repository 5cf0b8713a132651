"""A client of the whole API, as the tests use it: ask, check the status, get the data."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from backend.concurrency.host import ThreadHost
from backend.identity import Identity
from backend.schemas.auth import Role
from tests.databases import make_settings

PASSWORD = "correct horse battery staple"
READY_WITHIN_S = 120


class ApiClient:
    """Asks an app as one user, or as nobody."""

    def __init__(self, app: Flask, token: str | None = None) -> None:
        self.app = app
        self.headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    def as_viewer(self) -> ApiClient:
        return self._as("viewer")

    def as_trader(self) -> ApiClient:
        return self._as("trader")

    def as_admin(self) -> ApiClient:
        return self._as("admin")

    def get(self, path: str, *, expect: int = 200, **options: Any) -> Any:
        return self._ask("GET", path, expect, options)

    def post(self, path: str, *, expect: int = 200, **options: Any) -> Any:
        return self._ask("POST", path, expect, options)

    def put(self, path: str, *, expect: int = 200, **options: Any) -> Any:
        return self._ask("PUT", path, expect, options)

    def bots_price(self) -> str:
        """Return the price that the bot goes by: a ticker comes from the exchange, and sooner."""
        market = {"symbol": "BTC/USDT", "side": "buy", "type": "market", "quantity": "0.1"}
        return str(self.post("/orders/preview", json=market)["price"])

    def patch(self, path: str, *, expect: int = 200, **options: Any) -> Any:
        return self._ask("PATCH", path, expect, options)

    def delete(self, path: str, *, expect: int = 200, **options: Any) -> Any:
        return self._ask("DELETE", path, expect, options)

    def send(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any
    ) -> TestResponse:
        """Send to a path below the base, or to a whole one, and return the bare response."""
        whole = (
            path
            if path.partition("?")[0] == "/"
            or path.startswith(("/api", "/ws", "/healthz", "/readyz", "/docs", "/openapi"))
            else ""
        )
        return self.app.test_client().open(
            whole or f"/api/v1{path}",
            method=method,
            headers=self.headers | (headers or {}),
            **options,
        )

    def _ask(self, method: str, path: str, expect: int, options: dict[str, Any]) -> Any:
        """Return an answer's `data`, or the whole problem when one was expected."""
        response = self.send(method, path, **options)
        assert response.status_code == expect, response.get_data(as_text=True)
        return response.get_json() if expect >= 400 else response.get_json()["data"]

    def _as(self, role: Role) -> ApiClient:
        identity: Identity = self.app.extensions["backend"].identity
        return ApiClient(
            self.app, identity.login(role, PASSWORD, "127.0.0.1", "tests").access_token
        )


@contextmanager
def running_backend(home: Path, **settings: object) -> Iterator[Flask]:
    """Put everything together as at a start of the server; its users are those of `as_…()`."""
    with warnings.catch_warnings():  # OctoBot's own imports warn
        warnings.simplefilter("ignore")
        from backend.start import running_app

    left = Path.cwd()
    ours = make_settings(
        home,
        admin_password=PASSWORD,
        rate_limit_enabled=False,
        share_core=False,  # the tests' own threads, and what they start, are in this process
        bot_lag=0,  # a machine busy with other tests holds this one's bot up
        **settings,
    )
    with running_app(ours, ThreadHost()) as app:
        add_users(app)
        wait_until_ready(app)
        yield app
    os.chdir(left)


def add_users(app: Flask) -> None:
    """Create a user of each role, named after it; the first admin stands already."""
    identity: Identity = app.extensions["backend"].identity
    identity.users.create("viewer", PASSWORD, "viewer")
    identity.users.create("trader", PASSWORD, "trader")


def wait_until_ready(app: Flask) -> None:
    """Wait for the bot."""
    bridge = app.extensions["backend"].bridge
    deadline = time.monotonic() + READY_WITHIN_S
    while not bridge.readiness().ready:
        assert time.monotonic() < deadline, bridge.readiness()
        time.sleep(0.02)


NewClient = Callable[..., ApiClient]
"""Starts a further app with changed settings, and returns a client of it."""
