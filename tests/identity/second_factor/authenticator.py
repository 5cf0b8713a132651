"""A user's authenticator app, and logins with its codes."""

from __future__ import annotations

import time

import pyotp
from flask.testing import FlaskClient

from backend.schemas.auth import Tokens
from tests.identity_app import PASSWORD, bearer


class Authenticator:
    """A user's app and recovery codes."""

    def __init__(self, client: FlaskClient, tokens: Tokens) -> None:
        headers = bearer(tokens.access_token)
        begun = client.post("/auth/second-factor", headers=headers).json["data"]
        self.uri, self.seed = begun["uri"], begun["secret"]
        self.app = pyotp.TOTP(self.seed)
        confirmed = client.post(
            "/auth/second-factor/confirm", json={"code": self.code()}, headers=headers
        )
        assert confirmed.status_code == 200, confirmed.text
        self.recovery: list[str] = confirmed.json["data"]["recovery_codes"]

    def code(self) -> str:
        return self.app.at(int(time.time()))


def log_in(client: FlaskClient, code: str | None = None, password: str = PASSWORD):
    body = {"username": "trader", "password": password}
    return client.post("/auth/login", json=body if code is None else body | {"code": code})


def outcome(answer) -> tuple[int, str]:
    return answer.status_code, answer.json.get("type", "ok")
