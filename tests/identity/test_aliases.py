"""Second paths of registration, login and logout: the same views, limits and audit entries."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from backend.middleware.audit import Audit
from backend.settings.model import Settings
from backend.store import Database, audit
from tests.identity_app import PASSWORD, bearer, change_rate_limits

LOGIN = {"username": "trader", "password": PASSWORD}


def test_a_session_is_opened_and_ended(client: FlaskClient) -> None:
    tokens = client.post("/signin", json=LOGIN | {"device_name": "Phone"}).json["data"]
    headers = bearer(tokens["access_token"])
    (session,) = client.get("/auth/sessions", headers=headers).json["data"]
    assert session["device"] == "Phone"
    body = {"refresh_token": tokens["refresh_token"]}
    assert client.post("/signout", json=body, headers=headers).json["data"] == {"ended": "session"}
    assert client.get("/auth/me", headers=headers).status_code == 401
    assert client.post("/auth/refresh", json=body).status_code == 401


def test_signing_out_takes_a_session(client: FlaskClient) -> None:
    answer = client.post("/signout", json={})
    assert (answer.status_code, answer.json["type"]) == (401, "not_authenticated")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/signup", {"email": "new@example.org"}),
        ("/verify-otp", {"email": "new@example.org", "code": "12345678"}),
        (
            "/complete-registration",
            {"email": "new@example.org", "code": "12345678", "username": "new"}
            | {"password": "a horse of another colour"},
        ),
    ],
)
def test_registration_is_off_under_all_its_paths(
    client: FlaskClient, path: str, body: dict
) -> None:
    answer = client.post(path, json=body)
    assert (answer.status_code, answer.json["type"]) == (403, "registration_off")


@pytest.mark.parametrize("path", ["/signup", "/signin", "/signout", "/verify-otp"])
def test_only_posts_are_taken(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 405


def test_both_paths_count_in_one_budget(
    app: Flask, client: FlaskClient, settings: Settings
) -> None:
    change_rate_limits(app, settings.model_copy(update={"rate_limit_login": "2/minute"}))
    wrong = LOGIN | {"password": "wrong"}
    paths = ["/signin", "/auth/login", "/signin", "/auth/login"]
    answers = [client.post(path, json=wrong).status_code for path in paths]
    assert answers == [401, 401, 429, 429]


def test_the_audit_has_one_name_for_both_and_the_path(
    client: FlaskClient, recorder: Audit, database: Database
) -> None:
    for path in ("/signin", "/auth/login"):
        client.post(path, json=LOGIN)
    assert recorder.flush()
    entries = database.read(audit.list_entries, 10)
    assert [(entry.action, entry.path) for entry in entries] == [
        ("auth.login", "/auth/login"),
        ("auth.login", "/signin"),
    ]
