"""Limits while the wall clock jumps by hours."""

from __future__ import annotations

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from backend.settings.model import Settings
from tests.identity_app import (  # noqa: F401 - fixtures
    app,
    change_rate_limits,
    client,
    database,
    identity,
    password_hash,
    settings,
    start_identity,
)

START = 1_800_000_000.0
HOUR_S = 3600.0
WRONG = {"username": "trader", "password": "wrong"}


@pytest.mark.parametrize("jump_s", [24 * HOUR_S, -24 * HOUR_S])
@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("POST", "/auth/login", [401, 401]), ("GET", "/api/v1/bot", [404, 404, 404])],
    ids=["login", "address"],
)
def test_a_caller_gets_no_more_and_waits_no_longer(
    app: Flask,  # noqa: F811
    client: FlaskClient,  # noqa: F811
    settings: Settings,  # noqa: F811
    jump_s: float,
    method: str,
    path: str,
    allowed: list[int],
) -> None:
    limits = {"rate_limit_login": "2/minute", "rate_limit_address": "3/minute"}
    change_rate_limits(app, settings.model_copy(update=limits))
    with time_machine.travel(START) as wall_clock:
        answers = [client.open(path, method=method, json=WRONG) for _ in allowed]
        assert [answer.status_code for answer in answers] == allowed
        wall_clock.shift(jump_s)
        refused = client.open(path, method=method, json=WRONG)
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
