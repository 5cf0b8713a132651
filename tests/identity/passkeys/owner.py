"""A user with passkeys, who asks the routes for them."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.identity.passkeys.software_authenticator import SoftwareAuthenticator
from tests.identity_app import PASSWORD, bearer

Json = dict[str, Any]


class Owner:
    """A logged-in user; `key` is their newest passkey."""

    def __init__(self, client: FlaskClient, username: str, access_token: str) -> None:
        self.client = client
        self.username = username
        self.headers = bearer(access_token)
        self.recovery: list[str] = []

    def begin(self) -> Json:
        answer = self.client.post("/auth/passkeys/options", headers=self.headers)
        assert answer.status_code == 200, answer.text
        return answer.json["data"]

    def register(self, credential: object, name: str = "phone") -> TestResponse:
        body = {"name": name, "credential": credential}
        return self.client.post("/auth/passkeys", json=body, headers=self.headers)

    def add(self, key: SoftwareAuthenticator | None = None, name: str = "phone") -> Json:
        """Register a passkey and return what is shown of it."""
        self.key = key or SoftwareAuthenticator()
        answer = self.register(self.key.make(self.begin()), name)
        assert answer.status_code == 201, answer.text
        self.recovery = answer.json["data"]["recovery_codes"] or self.recovery
        return answer.json["data"]["passkey"]

    def log_in(self, **proof: object) -> TestResponse:
        body = {"username": self.username, "password": PASSWORD, **proof}
        return self.client.post("/auth/login", json=body)

    def login_options(self) -> Json:
        problem = self.log_in().json
        assert problem["type"] == "second_factor_required", problem
        return problem["second_factor"]["passkey"]

    def step_up_options(self) -> Json:
        answer = self.client.post("/auth/step-up/options", headers=self.headers)
        assert answer.status_code == 200, answer.text
        return answer.json["data"]

    def step_up(self, **proof: object) -> TestResponse:
        return self.client.post("/auth/step-up", json=proof, headers=self.headers)

    def passkeys(self) -> list[Json]:
        return self.client.get("/auth/passkeys", headers=self.headers).json["data"]

    def remove(self, passkey_id: str) -> TestResponse:
        return self.client.delete(f"/auth/passkeys/{passkey_id}", headers=self.headers)
