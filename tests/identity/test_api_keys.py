"""API keys: shown once, bound to scopes, networks and time, and of no use once revoked."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta, timezone

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from backend.errors import InvalidApiKey
from backend.identity import Identity
from backend.identity.api_keys import MAX_KEYS_PER_USER
from backend.middleware.audit import Audit
from backend.middleware.auth import requires
from backend.observability.masking import masked
from backend.schemas.api_keys import NewApiKey
from backend.schemas.auth import Tokens
from backend.schemas.common import PageQuery
from backend.schemas.users import UserChange
from backend.store import Database
from tests.identity_app import NOWHERE, PASSWORD, StartIdentity, bearer

READING = {"name": "script", "scopes": ["orders:read", "portfolio:read"]}
TRADING = {"name": "trader", "scopes": ["orders:write"]}


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    @app.get("/orders")
    @requires("orders:read")
    def list_orders() -> str:
        return "orders"

    @app.post("/orders")
    @requires("orders:write")
    def create_order() -> str:
        return "ordered"

    return app.test_client()


def created(client: FlaskClient, tokens: Tokens, **body: object) -> dict:
    answer = client.post("/auth/api-keys", json=READING | body, headers=bearer(tokens.access_token))
    assert answer.status_code == 201, answer.text
    return answer.json["data"]


def by(key: str) -> dict[str, str]:
    return {"X-API-Key": key}


def listed(client: FlaskClient, tokens: Tokens) -> list[dict]:
    return client.get("/auth/api-keys", headers=bearer(tokens.access_token)).json["data"]


def test_a_key_is_shown_once_and_kept_as_its_digest(
    client: FlaskClient, tokens: Tokens, database: Database
) -> None:
    made = created(client, tokens)
    assert re.fullmatch(r"obk_[a-z2-9]{8}_[\w-]{43}", made["key"])
    assert made["key"].startswith(made["prefix"] + "_")
    (shown,) = listed(client, tokens)
    assert shown == {name: value for name, value in made.items() if name != "key"}
    assert shown["last_used_at"] is None
    with database.engine.connect() as connection:
        kept = str(connection.execute(text("SELECT * FROM api_keys")).all())
    assert made["prefix"] in kept
    assert made["key"][len(made["prefix"]) + 1 :] not in kept


def test_a_key_may_what_its_scopes_say(client: FlaskClient, tokens: Tokens) -> None:
    reading, trading = created(client, tokens)["key"], created(client, tokens, **TRADING)["key"]
    assert client.get("/orders", headers=by(reading)).text == "orders"
    refused = client.post("/orders", headers=by(reading))
    assert (refused.status_code, refused.json["type"]) == (403, "forbidden")
    assert client.post("/orders", headers=by(trading)).text == "ordered"
    assert client.get("/orders", headers=by(trading)).status_code == 403
    me = client.get("/auth/me", headers=by(reading)).json["data"]
    assert (me["username"], me["scopes"]) == ("trader", ["orders:read", "portfolio:read"])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/auth/api-keys"),
        ("POST", "/auth/api-keys"),
        ("GET", "/auth/sessions"),
        ("POST", "/auth/logout"),
        ("POST", "/auth/step-up"),
        ("PUT", "/auth/password"),
    ],
)
def test_a_key_does_not_manage_the_account(
    client: FlaskClient, tokens: Tokens, method: str, path: str
) -> None:
    key = created(client, tokens)["key"]
    answer = client.open(path, method=method, json={}, headers=by(key))
    assert (answer.status_code, answer.json["type"]) == (403, "session_required")


def test_an_admins_key_cannot_step_up(client: FlaskClient, identity: Identity) -> None:
    admin = identity.login("admin", PASSWORD, *NOWHERE)
    key = created(client, admin, scopes=["users:write", "users:read"])["key"]
    assert client.get("/users", headers=by(key)).status_code == 200
    body = {"username": "bob", "password": PASSWORD, "role": "admin"}
    answer = client.post("/users", json=body, headers=by(key))
    assert (answer.status_code, answer.json["type"]) == (403, "step_up_required")


def test_making_a_key_takes_a_step_up(
    client: FlaskClient, identity: Identity, tokens: Tokens
) -> None:
    renewed = identity.refresh(tokens.refresh_token, *NOWHERE)
    answer = client.post("/auth/api-keys", json=READING, headers=bearer(renewed.access_token))
    assert (answer.status_code, answer.json["type"]) == (403, "step_up_required")
    assert listed(client, renewed) == []


@pytest.mark.parametrize(
    "key",
    [
        "",
        "x",
        "obk_aaaaaaaa_" + "a" * 43,
        "é",
        "x" * 5000,
        "' OR 1=1 --",
    ],
)
def test_what_is_no_key_is_refused(client: FlaskClient, tokens: Tokens, key: str) -> None:
    created(client, tokens)
    answer = client.get("/orders", headers=by(key))
    assert (answer.status_code, answer.json["type"]) == (401, "invalid_api_key")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_key_is_not_taken_from_the_address_or_as_a_bearer_token(
    client: FlaskClient, tokens: Tokens
) -> None:
    key = created(client, tokens)["key"]
    assert client.get(f"/orders?api_key={key}").status_code == 401
    assert client.get("/orders", headers=bearer(key)).status_code == 401


def test_a_token_and_a_key_together_are_refused(client: FlaskClient, tokens: Tokens) -> None:
    key = created(client, tokens)["key"]
    answer = client.get("/orders", headers=by(key) | bearer(tokens.access_token))
    assert (answer.status_code, answer.json["type"]) == (400, "malformed_request")


def test_a_revoked_key_is_of_no_use_at_once(
    client: FlaskClient, identity: Identity, tokens: Tokens, start_identity: StartIdentity
) -> None:
    made, other = created(client, tokens), created(client, tokens)
    principal = identity.verify_api_key(made["key"], "127.0.0.1")
    assert identity.is_active(principal) is True
    path = f"/auth/api-keys/{made['id']}"
    revoked = client.delete(path, headers=bearer(tokens.access_token))
    assert revoked.json["data"] == {"id": made["id"]}
    assert client.get("/orders", headers=by(made["key"])).status_code == 401
    assert identity.is_active(principal) is False
    assert client.get("/orders", headers=by(other["key"])).status_code == 200
    assert [key["id"] for key in listed(client, tokens)] == [other["id"]]
    assert client.delete(path, headers=bearer(tokens.access_token)).status_code == 404
    restarted = start_identity()
    with pytest.raises(InvalidApiKey):
        restarted.verify_api_key(made["key"], "127.0.0.1")
    assert restarted.verify_api_key(other["key"], "127.0.0.1").username == "trader"


def test_nobody_sees_or_revokes_anothers_key(
    client: FlaskClient, identity: Identity, tokens: Tokens
) -> None:
    made = created(client, tokens)
    admin = identity.login("admin", PASSWORD, *NOWHERE)
    assert listed(client, admin) == []
    answer = client.delete(f"/auth/api-keys/{made['id']}", headers=bearer(admin.access_token))
    assert answer.status_code == 404
    assert client.get("/orders", headers=by(made["key"])).status_code == 200


def test_a_key_expires(client: FlaskClient, identity: Identity, tokens: Tokens) -> None:
    soon = datetime.now(timezone.utc) + timedelta(hours=1)
    key = created(client, tokens, expires_at=soon.isoformat())["key"]
    principal = identity.verify_api_key(key, "127.0.0.1")
    assert client.get("/orders", headers=by(key)).status_code == 200
    with time_machine.travel(time.time() + 3601):
        answer = client.get("/orders", headers=by(key))
        assert (answer.status_code, answer.json["type"]) == (401, "invalid_api_key")
        assert answer.json["details"] == "the key has expired"
        assert identity.is_active(principal) is False


@pytest.mark.parametrize(
    ("networks", "address", "status"),
    [
        (["203.0.113.0/24"], "203.0.113.9", 200),
        (["203.0.113.0/24"], "::ffff:203.0.113.9", 200),
        (["203.0.113.0/24"], "203.0.114.9", 403),
        (["203.0.113.9"], "203.0.113.9", 200),
        (["203.0.113.9"], "203.0.113.10", 403),
        (["2001:db8::/32", "10.0.0.0/8"], "2001:db8::1", 200),
        (["2001:db8::/32", "10.0.0.0/8"], "10.1.2.3", 200),
        (["2001:db8::/32"], "10.1.2.3", 403),
        (["10.0.0.0/8"], "unix:", 403),
        ([], "192.0.2.1", 200),
    ],
)
def test_a_key_is_bound_to_its_networks(
    client: FlaskClient, tokens: Tokens, networks: list[str], address: str, status: int
) -> None:
    key = created(client, tokens, networks=networks)["key"]
    answer = client.get("/orders", headers=by(key), environ_base={"REMOTE_ADDR": address})
    assert answer.status_code == status
    assert status == 200 or answer.json["type"] == "address_not_allowed"


def test_a_key_shrinks_and_ends_with_its_owner(
    client: FlaskClient, identity: Identity, tokens: Tokens
) -> None:
    key = created(client, tokens, scopes=["orders:read", "orders:write"])["key"]
    user_id = tokens.user.id
    assert client.post("/orders", headers=by(key)).status_code == 200
    identity.users.change(user_id, UserChange(role="viewer"))
    assert client.post("/orders", headers=by(key)).status_code == 403
    assert client.get("/orders", headers=by(key)).status_code == 200
    identity.users.change(user_id, UserChange(must_change_password=True))
    confined = client.get("/orders", headers=by(key))
    assert (confined.status_code, confined.json["type"]) == (403, "password_change_required")
    identity.users.change(user_id, UserChange(must_change_password=False, disabled=True))
    assert client.get("/orders", headers=by(key)).status_code == 401
    identity.users.change(user_id, UserChange(disabled=False))
    assert client.get("/orders", headers=by(key)).status_code == 200
    identity.users.remove(user_id)
    assert client.get("/orders", headers=by(key)).status_code == 401


def test_a_key_outlives_logout_and_password_change(
    client: FlaskClient, identity: Identity, tokens: Tokens
) -> None:
    key = created(client, tokens)["key"]
    principal = identity.verify_access_token(tokens.access_token)
    fresh = identity.change_password(principal, PASSWORD, "a horse of another colour", *NOWHERE)
    identity.logout(identity.verify_access_token(fresh.access_token), None, everywhere=True)
    assert client.get("/orders", headers=by(key)).status_code == 200


def test_the_last_use_is_shown_and_survives_a_restart(
    client: FlaskClient, identity: Identity, tokens: Tokens, start_identity: StartIdentity
) -> None:
    made = created(client, tokens)
    client.get("/orders", headers=by(made["key"]), environ_base={"REMOTE_ADDR": "192.0.2.77"})
    (shown,) = listed(client, tokens)
    assert shown["last_address"] == "192.0.2.77"
    assert shown["last_used_at"] >= shown["created_at"]
    client.get("/orders", headers=by(made["key"]), environ_base={"REMOTE_ADDR": "192.0.2.78"})
    identity.close()
    page = start_identity().api_keys.page(tokens.user.id, PageQuery())
    assert [key.last_address for key in page.data] == ["192.0.2.78"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["users:write"]}, "scopes"),
        ({"scopes": ["nonsense"]}, "scopes"),
        ({"networks": ["10.0.0.1/8"]}, "networks"),
        ({"networks": ["example.org"]}, "networks"),
        ({"networks": ["10.0.0.0/8\n"]}, "networks"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"name": ""}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"key": "obk_mine"}, "key"),
    ],
)
def test_what_does_not_fit_names_the_field_and_makes_no_key(
    client: FlaskClient, tokens: Tokens, body: dict, field: str
) -> None:
    answer = client.post("/auth/api-keys", json=READING | body, headers=bearer(tokens.access_token))
    assert (answer.status_code, answer.json["type"]) == (400, "validation_error")
    assert {item["field"].partition(".")[0] for item in answer.json["fields"]} == {field}
    assert listed(client, tokens) == []


def test_a_user_has_only_so_many_keys(
    client: FlaskClient, identity: Identity, tokens: Tokens
) -> None:
    wanted = NewApiKey.model_validate(READING)
    for _ in range(MAX_KEYS_PER_USER):
        identity.api_keys.create(tokens.user.id, "trader", wanted)
    answer = client.post("/auth/api-keys", json=READING, headers=bearer(tokens.access_token))
    assert (answer.status_code, answer.json["type"]) == (409, "conflict")


def test_keys_are_listed_in_pages_newest_first(
    client: FlaskClient, identity: Identity, tokens: Tokens
) -> None:
    for number in range(3):
        created(client, tokens, name=f"key {number}")
    headers = bearer(tokens.access_token)
    first = client.get("/auth/api-keys?limit=2", headers=headers).json
    cursor = first["pagination"]["next_cursor"]
    rest = client.get(f"/auth/api-keys?limit=2&cursor={cursor}", headers=headers).json
    names = [key["name"] for key in first["data"] + rest["data"]]
    assert names == ["key 2", "key 1", "key 0"]
    assert rest["pagination"]["next_cursor"] is None


def test_the_audit_names_the_key_and_finds_its_owner(
    client: FlaskClient, recorder: Audit, identity: Identity, tokens: Tokens
) -> None:
    made = created(client, tokens, **TRADING)
    client.post("/orders", headers=by(made["key"]))
    assert recorder.flush()
    admin = identity.login("admin", PASSWORD, *NOWHERE)
    path = "/audit?user=Trader&action=create_order"
    (entry,) = client.get(path, headers=bearer(admin.access_token)).json["data"]
    assert entry["username"] == f"trader {made['prefix']}"
    assert entry["user_id"] == tokens.user.id
    assert client.get("/audit?user=trade", headers=bearer(admin.access_token)).json["data"] == []


def test_a_key_in_a_text_is_masked(client: FlaskClient, tokens: Tokens) -> None:
    key = created(client, tokens)["key"]
    assert key.split("_", 2)[2] not in masked(f"GET /orders/{key} failed")
