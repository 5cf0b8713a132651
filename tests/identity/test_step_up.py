"""Routes that require a recent step-up."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from backend.identity import Identity
from backend.identity.service import STEP_UP_S
from backend.middleware.auth import requires, stepped_up
from backend.schemas.auth import Tokens
from tests.identity_app import NOWHERE, PASSWORD, bearer


@pytest.fixture
def client(app: Flask) -> Iterator[FlaskClient]:
    @app.put("/keys")
    @requires("orders:write")
    @stepped_up
    def put_keys() -> str:
        return "put"

    return app.test_client()


def put_keys(client: FlaskClient, access_token: str) -> tuple[int, str]:
    answer = client.put("/keys", headers=bearer(access_token))
    return answer.status_code, answer.json["type"] if answer.is_json else answer.text


def test_a_login_just_now_is_enough(client: FlaskClient, tokens: Tokens) -> None:
    assert put_keys(client, tokens.access_token) == (200, "put")


def test_a_refreshed_token_is_not(client: FlaskClient, identity: Identity, tokens: Tokens) -> None:
    renewed = identity.refresh(tokens.refresh_token, *NOWHERE)
    assert put_keys(client, renewed.access_token) == (403, "step_up_required")


def test_it_wears_off(client: FlaskClient, tokens: Tokens) -> None:
    with time_machine.travel(time.time() + STEP_UP_S - 5):
        assert put_keys(client, tokens.access_token) == (200, "put")
    with time_machine.travel(time.time() + STEP_UP_S + 1):
        assert put_keys(client, tokens.access_token) == (403, "step_up_required")


def test_the_password_renews_it_in_the_same_session(
    client: FlaskClient, identity: Identity, tokens: Tokens
) -> None:
    with time_machine.travel(time.time() + STEP_UP_S + 1):
        old = bearer(tokens.access_token)
        answer = client.post("/auth/step-up", json={"password": PASSWORD}, headers=old)
        fresh = answer.json["data"]
        assert (answer.status_code, set(fresh)) == (
            200,
            {"access_token", "token_type", "expires_in"},
        )
        assert put_keys(client, fresh["access_token"]) == (200, "put")
        assert put_keys(client, tokens.access_token) == (403, "step_up_required")
        principals = [
            identity.verify_access_token(token)
            for token in (tokens.access_token, fresh["access_token"])
        ]
        assert len({principal.session_id for principal in principals}) == 1


def test_a_wrong_password_does_not(client: FlaskClient, tokens: Tokens) -> None:
    answer = client.post(
        "/auth/step-up", json={"password": "wrong"}, headers=bearer(tokens.access_token)
    )
    assert (answer.status_code, answer.json["type"]) == (400, "validation_error")
    assert [field["field"] for field in answer.json["fields"]] == ["password"]


def test_it_does_not_widen_scopes(client: FlaskClient, identity: Identity) -> None:
    viewer = identity.login("viewer", PASSWORD, *NOWHERE)
    assert put_keys(client, viewer.access_token) == (403, "forbidden")


def test_the_stepped_up_token_ends_with_its_session(
    client: FlaskClient, identity: Identity, tokens: Tokens
) -> None:
    fresh = client.post(
        "/auth/step-up", json={"password": PASSWORD}, headers=bearer(tokens.access_token)
    ).json["data"]["access_token"]
    identity.logout(identity.verify_access_token(tokens.access_token), tokens.refresh_token)
    assert put_keys(client, fresh) == (401, "invalid_token")
