"""Weak passwords are refused wherever one is set, with the reason."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from backend.concurrency.host import ThreadHost
from backend.identity import Identity
from backend.identity.first_admin import ensure_first_admin
from backend.identity.passwords import Passwords
from backend.schemas.common import utc_now
from backend.settings.model import SettingsError
from backend.store import Database
from backend.store.users import NewUser, insert
from tests.databases import make_settings
from tests.identity_app import NOWHERE, PASSWORD, StartIdentity, bearer

WEAK = "password123"
COMMON = "is one of the passwords that are guessed first; choose another one"
TOO_SHORT = "must have at least 12 characters, for the role admin"


@pytest.fixture
def admin(identity: Identity) -> dict[str, str]:
    return bearer(identity.login("admin", PASSWORD, *NOWHERE).access_token)


def reason(answer: TestResponse) -> tuple[int, list[dict[str, str]]]:
    return answer.status_code, answer.get_json()["fields"]


def refused(field: str, message: str) -> tuple[int, list[dict[str, str]]]:
    return 400, [{"field": field, "message": message}]


def test_for_new_users(client: FlaskClient, admin: dict[str, str]) -> None:
    body = {"username": "bob", "password": WEAK, "role": "viewer"}
    answer = client.post("/users", json=body, headers=admin)
    assert reason(answer) == refused("password", COMMON)
    short = body | {"password": "xk2-mfp9wq", "role": "admin"}
    answer = client.post("/users", json=short, headers=admin)
    assert reason(answer) == refused("password", TOO_SHORT)


def test_for_passwords_that_admins_set(
    client: FlaskClient, identity: Identity, admin: dict[str, str]
) -> None:
    path = f"/users/{identity.users.find_by_username('trader').id}"
    answer = client.patch(path, json={"password": WEAK}, headers=admin)
    assert reason(answer) == refused("password", COMMON)
    promotion = {"password": "xk2-mfp9wq", "role": "admin"}
    answer = client.patch(path, json=promotion, headers=admin)
    assert reason(answer) == refused("password", TOO_SHORT)
    assert identity.login("trader", PASSWORD, *NOWHERE).user.role == "trader"


def test_for_ones_own(client: FlaskClient, admin: dict[str, str]) -> None:
    body = {"current_password": PASSWORD, "new_password": "Password1234!"}
    answer = client.put("/auth/password", json=body, headers=admin)
    assert reason(answer) == refused("new_password", COMMON)


def test_for_the_first_admin(database: Database, start_identity: StartIdentity) -> None:
    settings = make_settings(Path("unused"), admin_password=WEAK + "4")
    with pytest.raises(SettingsError, match=f"^BACKEND_ADMIN_PASSWORD: {COMMON}$"):
        ensure_first_admin(database, start_identity().users, settings)
    assert start_identity().users.create("root", PASSWORD, "admin").role == "admin"


def test_a_weak_one_that_was_set_before_still_logs_in(
    client: FlaskClient, identity: Identity, database: Database
) -> None:
    with closing(Passwords(ThreadHost())) as passwords:
        hashed = passwords.hash(WEAK)
    database.write(insert, NewUser("old", hashed, "viewer", utc_now()))
    assert identity.login("old", WEAK, *NOWHERE).user.username == "old"
