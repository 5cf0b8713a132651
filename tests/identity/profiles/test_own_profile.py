"""`/auth/me`: what users see and change of themselves."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from backend.identity import Identity
from backend.schemas.api_keys import NewApiKey
from backend.schemas.auth import Tokens
from tests.identity_app import NOWHERE, PASSWORD, StartIdentity, bearer


@pytest.fixture
def headers(tokens: Tokens) -> dict[str, str]:
    return bearer(tokens.access_token)


def test_users_see_themselves(client: FlaskClient, headers: dict[str, str]) -> None:
    shown = client.get("/auth/me", headers=headers).json["data"]
    assert re.fullmatch("[a-hjkmnp-z2-9]{12}", shown.pop("referral_code"))
    assert {key: shown[key] for key in shown if key not in ("id", "scopes", "created_at")} == {
        "username": "trader",
        "role": "trader",
        "email": None,
        "name": None,
        "phone": None,
        "status": "active",
        "disabled": False,
        "is_admin": False,
        "invited_by": None,
        "must_change_password": False,
        "second_factor": False,
        "referrals": 0,
    }


def test_admins_are_told_so(client: FlaskClient, identity: Identity) -> None:
    admin = bearer(identity.login("admin", PASSWORD, *NOWHERE).access_token)
    assert client.get("/auth/me", headers=admin).json["data"]["is_admin"] is True


def test_name_and_phone_are_changed_and_stay(
    client: FlaskClient, headers: dict[str, str], start_identity: StartIdentity, tokens: Tokens
) -> None:
    before = client.get("/auth/me", headers=headers).json["data"]
    wanted = {"name": " Ada  Lovelace", "phone": "+493012345678"}
    answer = client.patch("/auth/me", json=wanted, headers=headers)
    changed = answer.json["data"]
    assert (answer.status_code, changed) == (
        200,
        before | {"name": "Ada Lovelace", "phone": "+493012345678"},
    )
    assert client.get("/auth/me", headers=headers).json["data"] == changed
    kept = start_identity().users.get(tokens.user.id)
    assert (kept.name, kept.phone, kept.role) == ("Ada Lovelace", "+493012345678", "trader")


def test_what_is_left_out_or_null_stays_and_an_empty_text_removes(
    client: FlaskClient, headers: dict[str, str]
) -> None:
    for change, name, phone in (
        ({"name": "王小明", "phone": "+493012345678"}, "王小明", "+493012345678"),
        ({}, "王小明", "+493012345678"),
        ({"name": None, "phone": None}, "王小明", "+493012345678"),
        ({"phone": ""}, "王小明", None),
        ({"name": ""}, None, None),
    ):
        changed = client.patch("/auth/me", json=change, headers=headers).json["data"]
        assert (changed["name"], changed["phone"]) == (name, phone)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "=1+1"),
        ("name", "two\nlines"),
        ("name", "x" * 101),
        ("name", 7),
        ("phone", "030 12345678"),
        ("phone", 493012345678),
        *((name, value) for name, value in [("role", "admin"), ("is_admin", True)]),
        *((name, value) for name, value in [("status", "disabled"), ("disabled", False)]),
        ("email", "eve@example.org"),
        ("referral_code", "abcd2345efgh"),
        ("invited_by", "someone"),
        ("must_change_password", False),
        ("scopes", ["users:write"]),
        ("id", "another"),
    ],
)
def test_all_else_is_refused_by_its_name_and_changes_nothing(
    client: FlaskClient, headers: dict[str, str], field: str, value: object
) -> None:
    before = client.get("/auth/me", headers=headers).json["data"]
    wanted = {"name": "Eve", "phone": "+493012345678"} | {field: value}
    answer = client.patch("/auth/me", json=wanted, headers=headers)
    assert (answer.status_code, answer.json["type"]) == (400, "validation_error")
    assert [item["field"] for item in answer.json["fields"]] == [field]
    assert client.get("/auth/me", headers=headers).json["data"] == before


def test_an_api_key_sees_its_owner_and_changes_nothing(
    client: FlaskClient, identity: Identity, tokens: Tokens
) -> None:
    wanted = NewApiKey(name="script", scopes=["markets:read"])
    key = identity.api_keys.create(tokens.user.id, "trader", wanted).key
    headers = {"X-API-Key": key}
    assert client.get("/auth/me", headers=headers).json["data"]["scopes"] == ["markets:read"]
    answer = client.patch("/auth/me", json={"name": "Eve"}, headers=headers)
    assert (answer.status_code, answer.json["type"]) == (403, "session_required")


def test_admins_give_and_change_profiles(client: FlaskClient, identity: Identity) -> None:
    admin = bearer(identity.login("admin", PASSWORD, *NOWHERE).access_token)
    new = {"username": "bob", "password": "a horse of another colour", "role": "viewer"}
    profile = {"name": "Bob", "phone": "+493012345678"}
    created = client.post("/users", json=new | profile, headers=admin).json["data"]
    assert (created["name"], created["phone"]) == ("Bob", "+493012345678")
    path = f"/users/{created['id']}"
    changed = client.patch(path, json={"phone": "", "disabled": True}, headers=admin).json["data"]
    assert (changed["name"], changed["phone"]) == ("Bob", None)
    assert (changed["status"], changed["disabled"]) == ("disabled", True)
    refused = client.patch(path, json={"name": "@x"}, headers=admin)
    assert [item["field"] for item in refused.json["fields"]] == ["name"]
