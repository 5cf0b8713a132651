"""Limits while the wall clock jumps by hours."""

from __future__ import annotations

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from backend.concurrency.host import ThreadHost
from backend.middleware.errors import install_errors
from backend.middleware.headers import with_answer_headers
from backend.middleware.rate_limit import install_rate_limits, limited
from tests.databases import make_settings

START = 1_800_000_000.0
HOUR_S = 3600.0


@pytest.fixture
def client(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    app = Flask("tests", static_folder=None)
    settings = make_settings(
        tmp_path_factory.mktemp("home"), rate_limit_login="2/minute", rate_limit_address="3/minute"
    )
    install_errors(app)
    install_rate_limits(app, settings, ThreadHost())
    app.post("/login", endpoint="login")(limited("login")(lambda: "done"))
    app.get("/api/v1/bot", endpoint="bot")(lambda: "done")
    app.wsgi_app = with_answer_headers(app.wsgi_app)  # type: ignore[method-assign]
    return app.test_client()


@pytest.mark.parametrize("jump_s", [5 * HOUR_S, -5 * HOUR_S])
@pytest.mark.parametrize(
    ("method", "path", "most"), [("POST", "/login", 2), ("GET", "/api/v1/bot", 3)]
)
def test_a_caller_gets_no_more_and_waits_no_longer(
    client: FlaskClient, jump_s: float, method: str, path: str, most: int
) -> None:
    with time_machine.travel(START) as wall_clock:
        answers = [client.open(path, method=method) for _ in range(most)]
        assert {answer.status_code for answer in answers} == {200}
        wall_clock.shift(jump_s)
        refused = client.open(path, method=method)
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
