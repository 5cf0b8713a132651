"""Promotion to admin: a password that is too short for an admin has to be replaced first."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from backend.identity import Identity
from backend.schemas.auth import Tokens
from backend.schemas.users import UserChange
from backend.store import Database
from backend.store.models import User
from tests.identity_app import NOWHERE, PASSWORD, bearer

SHORT = "xk2-mfp9wq"
LONG = "xk2-mfp9wq-long"


@pytest.fixture
def admin(identity: Identity) -> dict[str, str]:
    return bearer(identity.login("admin", PASSWORD, *NOWHERE).access_token)


def make(identity: Identity, password: str) -> str:
    return identity.users.create("bob", password, "trader").id


def promote(client: FlaskClient, admin: dict[str, str], user_id: str, **more: object) -> dict:
    answer = client.patch(f"/users/{user_id}", json={"role": "admin"} | more, headers=admin)
    assert answer.status_code == 200, answer.text
    return answer.json["data"]


def forget(database: Database, user_id: str) -> None:
    """Let a user's password be as one that was set before its strength was noted."""
    change = update(User).where(User.id == user_id).values(password_fits_admin=False)
    database.write(lambda session: session.execute(change) and None)


def log_in(client: FlaskClient, password: str) -> dict:
    body = {"username": "bob", "password": password}
    return client.post("/auth/login", json=body).json["data"]


def test_a_short_password_has_to_be_replaced_before_anything_else(
    client: FlaskClient, identity: Identity, admin: dict[str, str]
) -> None:
    promoted = promote(client, admin, make(identity, SHORT))
    assert (promoted["role"], promoted["must_change_password"]) == ("admin", True)
    confined = bearer(log_in(client, SHORT)["access_token"])
    refused = client.get("/users", headers=confined)
    assert (refused.status_code, refused.json["type"]) == (403, "password_change_required")
    weak = {"current_password": SHORT, "new_password": "wq9pfm-2kx"}
    answer = client.put("/auth/password", json=weak, headers=confined)
    assert [item["field"] for item in answer.json["fields"]] == ["new_password"]
    strong = {"current_password": SHORT, "new_password": LONG}
    free = client.put("/auth/password", json=strong, headers=confined).json["data"]
    assert client.get("/users", headers=bearer(free["access_token"])).status_code == 200


def test_a_password_that_is_long_enough_stays(
    client: FlaskClient, identity: Identity, admin: dict[str, str]
) -> None:
    promoted = promote(client, admin, make(identity, LONG))
    assert promoted["must_change_password"] is False


def test_an_admin_cannot_wave_it_through(
    client: FlaskClient, identity: Identity, admin: dict[str, str]
) -> None:
    user_id = make(identity, SHORT)
    assert promote(client, admin, user_id, must_change_password=False)["must_change_password"]
    path = f"/users/{user_id}"
    later = client.patch(path, json={"must_change_password": False}, headers=admin).json["data"]
    assert later["must_change_password"] is True


def test_a_long_password_given_with_the_role_is_enough(
    client: FlaskClient, identity: Identity, admin: dict[str, str]
) -> None:
    more = {"password": LONG, "must_change_password": False}
    assert promote(client, admin, make(identity, SHORT), **more)["must_change_password"] is False


def test_of_a_password_from_before_a_login_tells(
    client: FlaskClient, identity: Identity, admin: dict[str, str], database: Database
) -> None:
    user_id = make(identity, LONG)
    forget(database, user_id)
    assert promote(client, admin, user_id)["must_change_password"] is True
    identity.users.change(user_id, UserChange(role="trader", must_change_password=False))
    log_in(client, LONG)
    assert promote(client, admin, user_id)["must_change_password"] is False


def test_admins_from_before_are_not_confined(
    client: FlaskClient, identity: Identity, admin: dict[str, str], database: Database
) -> None:
    user_id = identity.users.find_by_username("admin").id
    forget(database, user_id)
    path = f"/users/{user_id}"
    changed = client.patch(path, json={"role": "admin", "name": "Ada"}, headers=admin)
    assert changed.json["data"]["must_change_password"] is False
    assert client.get("/users", headers=admin).status_code == 200


def test_the_promoted_users_tokens_are_confined_after_a_refresh(
    client: FlaskClient, identity: Identity, admin: dict[str, str]
) -> None:
    user_id = make(identity, SHORT)
    tokens: Tokens = identity.login("bob", SHORT, *NOWHERE)
    promote(client, admin, user_id)
    renewed = client.post("/auth/refresh", json={"refresh_token": tokens.refresh_token})
    headers = bearer(renewed.json["data"]["access_token"])
    assert client.get("/users", headers=headers).json["type"] == "password_change_required"
