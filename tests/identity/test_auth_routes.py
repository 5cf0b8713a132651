"""The /auth routes."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from backend.identity import Identity
from backend.schemas.auth import Tokens
from backend.schemas.users import UserChange
from tests.identity_app import PASSWORD, bearer

NEW_PASSWORD = "a horse of another colour"


def log_in(client: FlaskClient, username: str = "trader") -> dict:
    answer = client.post("/auth/login", json={"username": username, "password": PASSWORD})
    assert answer.status_code == 200
    return answer.json["data"]


def test_logging_in_refreshing_and_logging_out(client: FlaskClient) -> None:
    tokens = log_in(client)
    assert set(tokens) == {
        *("access_token", "token_type", "expires_in", "refresh_token", "device_token", "user")
    }
    me = client.get("/auth/me", headers=bearer(tokens["access_token"])).json["data"]
    assert me == tokens["user"] | {"referrals": 0}
    assert set(me) == {
        "id",
        "username",
        "role",
        "scopes",
        "email",
        *("name", "phone", "status", "is_admin", "referral_code", "invited_by", "referrals"),
        "disabled",
        "must_change_password",
        "second_factor",
        "created_at",
    }

    renewed = client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    renewed = renewed.json["data"]
    assert client.get("/auth/me", headers=bearer(renewed["access_token"])).status_code == 200

    ended = client.post(
        "/auth/logout",
        json={"refresh_token": renewed["refresh_token"]},
        headers=bearer(renewed["access_token"]),
    )
    assert ended.json["data"] == {"ended": "session"}
    for token in (tokens["access_token"], renewed["access_token"]):
        assert client.get("/auth/me", headers=bearer(token)).status_code == 401


def test_a_logout_takes_an_empty_body(client: FlaskClient) -> None:
    tokens = log_in(client)
    ended = client.post("/auth/logout", headers=bearer(tokens["access_token"]))
    assert (ended.status_code, ended.json["data"]) == (200, {"ended": "token"})


def test_wrong_credentials_are_a_401_in_the_contracts_shape(client: FlaskClient) -> None:
    answer = client.post("/auth/login", json={"username": "trader", "password": "wrong"})
    problem = answer.json
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert (problem["success"], problem["code"], problem["type"]) == (
        False,
        401,
        "invalid_credentials",
    )
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    assert "wrong" not in answer.text


def test_known_and_unknown_names_get_the_same_answer(client: FlaskClient) -> None:
    def answer(username: str) -> dict:
        problem = client.post("/auth/login", json={"username": username, "password": "x"}).json
        return {key: problem[key] for key in problem.keys() - {"request_id", "timestamp"}}

    assert answer("trader") == answer("nobody")


def test_a_reused_refresh_token_is_named_as_what_it_is(client: FlaskClient, tokens: Tokens) -> None:
    body = {"refresh_token": tokens.refresh_token}
    successors = [client.post("/auth/refresh", json=body).json["data"] for _ in range(2)]
    assert successors[0]["refresh_token"] == successors[1]["refresh_token"]
    used = {"refresh_token": successors[0]["refresh_token"]}
    assert client.post("/auth/refresh", json=used).status_code == 200
    answer = client.post("/auth/refresh", json=body)
    assert (answer.status_code, answer.json["type"]) == (401, "token_reused")
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert tokens.refresh_token not in answer.text


def test_a_new_password_opens_a_new_session(client: FlaskClient) -> None:
    tokens = log_in(client)
    changed = client.put(
        "/auth/password",
        json={"current_password": PASSWORD, "new_password": NEW_PASSWORD},
        headers=bearer(tokens["access_token"]),
    )
    assert changed.status_code == 200
    fresh = changed.json["data"]["access_token"]
    assert client.get("/auth/me", headers=bearer(tokens["access_token"])).status_code == 401
    assert client.get("/auth/me", headers=bearer(fresh)).json["data"]["username"] == "trader"
    again = client.post("/auth/login", json={"username": "trader", "password": NEW_PASSWORD})
    assert again.status_code == 200


def test_a_wrong_present_password_is_no_401(client: FlaskClient, tokens: Tokens) -> None:
    answer = client.put(
        "/auth/password",
        json={"current_password": "wrong", "new_password": NEW_PASSWORD},
        headers=bearer(tokens.access_token),
    )
    assert answer.status_code == 400
    assert [field["field"] for field in answer.json["fields"]] == ["current_password"]


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "/auth/login", {"username": "trader"}, "password"),
        ("POST", "/auth/login", {"username": 5, "password": "x"}, "username"),
        ("POST", "/auth/login", {"username": "", "password": "x"}, "username"),
        ("POST", "/auth/login", {"username": "a", "password": "x" * 257}, "password"),
        ("POST", "/auth/login", {"username": "a", "password": "x", "otp": "1"}, "otp"),
        ("POST", "/auth/refresh", {}, "refresh_token"),
        ("POST", "/auth/refresh", {"refresh_token": None}, "refresh_token"),
        ("POST", "/auth/logout", {"refresh_token": ""}, "refresh_token"),
        (
            "PUT",
            "/auth/password",
            {"current_password": "x", "new_password": "short"},
            "new_password",
        ),
    ],
)
def test_bodies_that_do_not_fit_name_the_field(
    client: FlaskClient, tokens: Tokens, method: str, path: str, body: dict, field: str
) -> None:
    answer = client.open(path, method=method, json=body, headers=bearer(tokens.access_token))
    assert (answer.status_code, answer.json["type"]) == (400, "validation_error")
    assert [item["field"] for item in answer.json["fields"]] == [field]


def test_broken_json_and_forms_are_refused(client: FlaskClient) -> None:
    broken = client.post("/auth/login", data="{", content_type="application/json")
    form = client.post("/auth/login", data={"username": "trader", "password": PASSWORD})
    assert (broken.status_code, broken.json["type"]) == (400, "malformed_request")
    assert (form.status_code, form.json["type"]) == (415, "unsupported_media_type")


def test_a_disabled_user_is_locked_out_of_every_route(
    client: FlaskClient, identity: Identity, tokens: Tokens
) -> None:
    identity.users.change(tokens.user.id, UserChange(disabled=True))
    headers = bearer(tokens.access_token)
    answers = [
        client.get("/auth/me", headers=headers),
        client.post("/auth/logout", headers=headers),
        client.post("/auth/refresh", json={"refresh_token": tokens.refresh_token}),
        client.post("/auth/login", json={"username": "trader", "password": PASSWORD}),
    ]
    assert [answer.status_code for answer in answers] == [401] * 4
