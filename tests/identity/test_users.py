"""Administration of users, and its effect on their sessions."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from flask.testing import FlaskClient

from backend.errors import LastAdmin
from backend.identity import Identity
from backend.schemas.users import UserChange
from backend.store import Database, users
from tests.identity_app import NOWHERE, PASSWORD, bearer

NEW_PASSWORD = "a horse of another colour"
BOB = {"username": "Bob", "password": NEW_PASSWORD, "role": "trader"}


@pytest.fixture
def admin(identity: Identity) -> dict[str, str]:
    return bearer(identity.login("admin", PASSWORD, *NOWHERE).access_token)


def id_of(identity: Identity, username: str) -> str:
    return identity.users.find_by_username(username).id


def log_in(client: FlaskClient, username: str, password: str) -> Any:
    return client.post("/auth/login", json={"username": username, "password": password})


def test_a_user_is_created_shown_and_listed(client: FlaskClient, admin: dict[str, str]) -> None:
    answer = client.post("/users", json=BOB | {"email": "Bob@Example.ORG"}, headers=admin)
    created = answer.json["data"]
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/api/v1/users/{created['id']}"
    assert (created["username"], created["role"], created["email"]) == (
        "bob",
        "trader",
        "bob@example.org",
    )
    assert (created["disabled"], created["must_change_password"]) == (False, True)
    assert client.get(f"/users/{created['id']}", headers=admin).json["data"] == created
    listed = client.get("/users", headers=admin).json["data"]
    assert [user["username"] for user in listed] == ["admin", "bob", "trader", "viewer"]
    assert created in listed
    assert NEW_PASSWORD not in answer.text


def test_users_are_listed_in_pages(client: FlaskClient, admin: dict[str, str]) -> None:
    first = client.get("/users?limit=2", headers=admin).json
    cursor = first["pagination"]["next_cursor"]
    rest = client.get(f"/users?limit=2&cursor={cursor}", headers=admin).json
    assert [user["username"] for user in first["data"]] == ["admin", "trader"]
    assert [user["username"] for user in rest["data"]] == ["viewer"]
    assert rest["pagination"] == {"limit": 2, "next_cursor": None}
    foreign = client.get("/audit?limit=1", headers=admin).json["pagination"]["next_cursor"]
    assert client.get(f"/users?cursor={foreign or 'WzFd'}", headers=admin).status_code == 400


def test_a_new_user_can_do_nothing_before_they_set_a_password(
    client: FlaskClient, admin: dict[str, str]
) -> None:
    client.post("/users", json=BOB | {"role": "admin"}, headers=admin)
    tokens = log_in(client, "bob", NEW_PASSWORD).json["data"]
    assert tokens["user"]["must_change_password"] is True
    confined = bearer(tokens["access_token"])
    for path in ("/users", "/audit", "/auth/sessions"):
        answer = client.get(path, headers=confined)
        assert (answer.status_code, answer.json["type"]) == (403, "password_change_required")
    assert client.get("/auth/me", headers=confined).status_code == 200
    changed = client.put(
        "/auth/password",
        json={"current_password": NEW_PASSWORD, "new_password": PASSWORD},
        headers=confined,
    ).json["data"]
    assert changed["user"]["must_change_password"] is False
    assert client.get("/users", headers=bearer(changed["access_token"])).status_code == 200


def test_refreshing_does_not_free_who_must_change_their_password(
    client: FlaskClient, admin: dict[str, str]
) -> None:
    client.post("/users", json=BOB | {"role": "admin"}, headers=admin)
    tokens = log_in(client, "bob", NEW_PASSWORD).json["data"]
    renewed = client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    headers = bearer(renewed.json["data"]["access_token"])
    assert client.get("/users", headers=headers).json["type"] == "password_change_required"


def test_a_forced_password_change_confines_running_sessions_at_once(
    client: FlaskClient, identity: Identity, admin: dict[str, str]
) -> None:
    other = bearer(log_in(client, "trader", PASSWORD).json["data"]["access_token"])
    assert client.get("/auth/sessions", headers=other).status_code == 200
    path = f"/users/{id_of(identity, 'trader')}"
    assert client.patch(path, json={"must_change_password": True}, headers=admin).status_code == 200
    assert client.get("/auth/sessions", headers=other).json["type"] == "password_change_required"


def test_a_password_reset_ends_all_sessions(
    client: FlaskClient, identity: Identity, admin: dict[str, str]
) -> None:
    tokens = log_in(client, "trader", PASSWORD).json["data"]
    path = f"/users/{id_of(identity, 'trader')}"
    changed = client.patch(path, json={"password": NEW_PASSWORD}, headers=admin).json["data"]
    assert changed["must_change_password"] is True
    assert client.get("/auth/me", headers=bearer(tokens["access_token"])).status_code == 401
    refreshed = client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert refreshed.status_code == 401
    assert log_in(client, "trader", PASSWORD).status_code == 401
    assert log_in(client, "trader", NEW_PASSWORD).status_code == 200


def test_a_disabled_user_comes_back_without_their_old_sessions(
    client: FlaskClient, identity: Identity, admin: dict[str, str]
) -> None:
    tokens = log_in(client, "trader", PASSWORD).json["data"]
    path = f"/users/{id_of(identity, 'trader')}"
    disabled = client.patch(path, json={"disabled": True}, headers=admin).json["data"]
    assert disabled["disabled"] is True
    assert log_in(client, "trader", PASSWORD).status_code == 401
    assert client.patch(path, json={"disabled": False}, headers=admin).status_code == 200
    assert log_in(client, "trader", PASSWORD).status_code == 200
    assert client.get("/auth/me", headers=bearer(tokens["access_token"])).status_code == 401


def test_a_new_role_takes_force_at_once(
    client: FlaskClient, identity: Identity, admin: dict[str, str]
) -> None:
    tokens = log_in(client, "trader", PASSWORD).json["data"]
    path = f"/users/{id_of(identity, 'trader')}"
    changed = client.patch(path, json={"role": "viewer"}, headers=admin).json["data"]
    assert "orders:write" not in changed["scopes"]
    assert client.get("/auth/me", headers=bearer(tokens["access_token"])).status_code == 401
    renewed = client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert renewed.json["data"]["user"]["role"] == "viewer"


def test_a_deleted_user_is_gone_with_all_tokens(
    client: FlaskClient, identity: Identity, admin: dict[str, str]
) -> None:
    tokens = log_in(client, "trader", PASSWORD).json["data"]
    path = f"/users/{id_of(identity, 'trader')}"
    assert client.delete(path, headers=admin).status_code == 200
    assert client.get("/auth/me", headers=bearer(tokens["access_token"])).status_code == 401
    for method in ("GET", "PATCH", "DELETE"):
        answer = client.open(path, method=method, json={}, headers=admin)
        assert (answer.status_code, answer.json["type"]) == (404, "not_found"), method


@pytest.mark.parametrize("change", [{"role": "trader"}, {"disabled": True}, None])
def test_the_last_admin_stays(
    client: FlaskClient, identity: Identity, admin: dict[str, str], change: dict | None
) -> None:
    path = f"/users/{id_of(identity, 'admin')}"
    if change is None:
        answer = client.delete(path, headers=admin)
    else:
        answer = client.patch(path, json=change, headers=admin)
    assert (answer.status_code, answer.json["type"]) == (409, "last_admin")
    assert client.get("/users", headers=admin).status_code == 200


def test_an_admin_may_go_while_another_who_may_log_in_stays(
    client: FlaskClient, identity: Identity, admin: dict[str, str]
) -> None:
    second = identity.users.create("second", PASSWORD, "admin")
    identity.users.change(second.id, UserChange(disabled=True))
    path = f"/users/{id_of(identity, 'admin')}"
    assert client.delete(path, headers=admin).json["type"] == "last_admin"
    identity.users.change(second.id, UserChange(disabled=False))
    assert client.delete(path, headers=admin).status_code == 200


def test_of_the_last_two_admins_who_leave_at_once_one_stays(
    identity: Identity, database: Database
) -> None:
    identity.users.create("second", PASSWORD, "admin")
    ids = [id_of(identity, name) for name in ("admin", "second")]
    barrier = threading.Barrier(2)
    refused: list[str] = []

    def leave(user_id: str) -> None:
        barrier.wait()
        try:
            identity.users.change(user_id, UserChange(role="viewer"))
        except LastAdmin:
            refused.append(user_id)

    threads = [threading.Thread(target=leave, args=[user_id]) for user_id in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    admins = [user.id for user in database.read(users.list_enabled) if user.role == "admin"]
    assert admins == refused
    assert len(admins) == 1


@pytest.mark.parametrize(
    "taken", [{"username": "TRADER"}, {"username": "new", "email": "SAME@example.org"}]
)
def test_names_and_addresses_are_taken_once_whatever_their_case(
    client: FlaskClient, identity: Identity, admin: dict[str, str], taken: dict
) -> None:
    path = f"/users/{id_of(identity, 'viewer')}"
    client.patch(path, json={"email": "same@example.org"}, headers=admin)
    answer = client.post("/users", json=BOB | taken, headers=admin)
    assert (answer.status_code, answer.json["type"]) == (409, "conflict")
    other = f"/users/{id_of(identity, 'trader')}"
    taken_by_change = client.patch(other, json={"email": "Same@Example.org"}, headers=admin)
    assert taken_by_change.status_code == 409


def test_an_address_is_removed_by_an_empty_text(
    client: FlaskClient, identity: Identity, admin: dict[str, str]
) -> None:
    path = f"/users/{id_of(identity, 'viewer')}"
    for email, kept in (("a@example.org", "a@example.org"), (None, "a@example.org"), ("", None)):
        changed = client.patch(path, json={"email": email}, headers=admin)
        assert changed.json["data"]["email"] == kept


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (BOB | {"username": "two words"}, "username"),
        (BOB | {"username": "ünïcode"}, "username"),
        (BOB | {"username": "bob\n"}, "username"),
        (BOB | {"username": "x" * 65}, "username"),
        (BOB | {"password": "short"}, "password"),
        (BOB | {"role": "root"}, "role"),
        (BOB | {"email": "a@b"}, "email"),
        (BOB | {"email": "a@example.org\r\nBcc: b@example.org"}, "email"),
        (BOB | {"email": "ä@example.org"}, "email"),
        (BOB | {"email": "a" * 250 + "@example.org"}, "email"),
        (BOB | {"must_change_password": "yes"}, "must_change_password"),
        (BOB | {"scopes": ["orders:write"]}, "scopes"),
    ],
)
def test_what_does_not_fit_names_the_field_and_creates_nobody(
    client: FlaskClient, admin: dict[str, str], body: dict, field: str
) -> None:
    answer = client.post("/users", json=body, headers=admin)
    assert (answer.status_code, answer.json["type"]) == (400, "validation_error")
    assert {item["field"].partition(".")[0] for item in answer.json["fields"]} == {field}
    assert len(client.get("/users", headers=admin).json["data"]) == 3


@pytest.mark.parametrize("username", ["viewer", "trader"])
def test_only_admins_see_and_change_users(
    client: FlaskClient, identity: Identity, username: str
) -> None:
    headers = bearer(identity.login(username, PASSWORD, *NOWHERE).access_token)
    path = f"/users/{id_of(identity, username)}"
    answers = [
        client.get("/users", headers=headers),
        client.get(path, headers=headers),
        client.post("/users", json=BOB, headers=headers),
        client.patch(path, json={"role": "admin"}, headers=headers),
        client.delete(path, headers=headers),
    ]
    assert [answer.status_code for answer in answers] == [403] * 5
    assert identity.users.find_by_username(username).role == username
