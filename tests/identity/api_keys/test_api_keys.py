"""Authentication by API key: bound to scopes, networks and time, refused once revoked."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

import pytest
import time_machine
from flask.testing import FlaskClient

from backend.errors import InvalidApiKey
from backend.identity import Identity
from backend.observability.masking import mask_text
from backend.schemas.auth import Tokens
from backend.schemas.users import UserChange
from tests.identity.api_keys.key_client import TRADING, create_key, key_header, list_keys
from tests.identity_app import NOWHERE, PASSWORD, StartIdentity, bearer


def test_a_key_may_what_its_scopes_say(client: FlaskClient, tokens: Tokens) -> None:
    reading, trading = (
        create_key(client, tokens)["key"],
        create_key(client, tokens, **TRADING)["key"],
    )
    assert client.get("/orders", headers=key_header(reading)).text == "orders"
    refused = client.post("/orders", headers=key_header(reading))
    assert (refused.status_code, refused.json["type"]) == (403, "forbidden")
    assert client.post("/orders", headers=key_header(trading)).text == "ordered"
    assert client.get("/orders", headers=key_header(trading)).status_code == 403
    me = client.get("/auth/me", headers=key_header(reading)).json["data"]
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
    key = create_key(client, tokens)["key"]
    answer = client.open(path, method=method, json={}, headers=key_header(key))
    assert (answer.status_code, answer.json["type"]) == (403, "session_required")


def test_an_admins_key_cannot_step_up(client: FlaskClient, identity: Identity) -> None:
    admin = identity.login("admin", PASSWORD, *NOWHERE)
    key = create_key(client, admin, scopes=["users:write", "users:read"])["key"]
    assert client.get("/users", headers=key_header(key)).status_code == 200
    body = {"username": "bob", "password": PASSWORD, "role": "admin"}
    answer = client.post("/users", json=body, headers=key_header(key))
    assert (answer.status_code, answer.json["type"]) == (403, "step_up_required")


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
    create_key(client, tokens)
    answer = client.get("/orders", headers=key_header(key))
    assert (answer.status_code, answer.json["type"]) == (401, "invalid_api_key")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_key_is_not_taken_from_the_address_or_as_a_bearer_token(
    client: FlaskClient, tokens: Tokens
) -> None:
    key = create_key(client, tokens)["key"]
    assert client.get(f"/orders?api_key={key}").status_code == 401
    assert client.get("/orders", headers=bearer(key)).status_code == 401


def test_a_token_and_a_key_together_are_refused(client: FlaskClient, tokens: Tokens) -> None:
    key = create_key(client, tokens)["key"]
    answer = client.get("/orders", headers=key_header(key) | bearer(tokens.access_token))
    assert (answer.status_code, answer.json["type"]) == (400, "malformed_request")


def test_a_revoked_key_is_of_no_use_at_once(
    client: FlaskClient, identity: Identity, tokens: Tokens, start_identity: StartIdentity
) -> None:
    made, other = create_key(client, tokens), create_key(client, tokens)
    principal = identity.api_keys.verify(made["key"], "127.0.0.1")
    assert identity.is_active(principal) is True
    path = f"/auth/api-keys/{made['id']}"
    revoked = client.delete(path, headers=bearer(tokens.access_token))
    assert revoked.json["data"] == {"id": made["id"]}
    assert client.get("/orders", headers=key_header(made["key"])).status_code == 401
    assert identity.is_active(principal) is False
    assert client.get("/orders", headers=key_header(other["key"])).status_code == 200
    assert [key["id"] for key in list_keys(client, tokens)] == [other["id"]]
    assert client.delete(path, headers=bearer(tokens.access_token)).status_code == 404
    restarted = start_identity()
    with pytest.raises(InvalidApiKey):
        restarted.api_keys.verify(made["key"], "127.0.0.1")
    assert restarted.api_keys.verify(other["key"], "127.0.0.1").username == "trader"


def test_a_key_expires(client: FlaskClient, identity: Identity, tokens: Tokens) -> None:
    soon = datetime.now(timezone.utc) + timedelta(hours=1)
    key = create_key(client, tokens, expires_at=soon.isoformat())["key"]
    principal = identity.api_keys.verify(key, "127.0.0.1")
    assert client.get("/orders", headers=key_header(key)).status_code == 200
    with time_machine.travel(time.time() + 3601):
        answer = client.get("/orders", headers=key_header(key))
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
    key = create_key(client, tokens, networks=networks)["key"]
    answer = client.get("/orders", headers=key_header(key), environ_base={"REMOTE_ADDR": address})
    assert answer.status_code == status
    assert status == 200 or answer.json["type"] == "address_not_allowed"


def test_a_key_shrinks_and_ends_with_its_owner(
    client: FlaskClient, identity: Identity, tokens: Tokens
) -> None:
    key = create_key(client, tokens, scopes=["orders:read", "orders:write"])["key"]
    user_id = tokens.user.id
    assert client.post("/orders", headers=key_header(key)).status_code == 200
    identity.users.change(user_id, UserChange(role="viewer"))
    assert client.post("/orders", headers=key_header(key)).status_code == 403
    assert client.get("/orders", headers=key_header(key)).status_code == 200
    identity.users.change(user_id, UserChange(must_change_password=True))
    confined = client.get("/orders", headers=key_header(key))
    assert (confined.status_code, confined.json["type"]) == (403, "password_change_required")
    identity.users.change(user_id, UserChange(must_change_password=False, disabled=True))
    assert client.get("/orders", headers=key_header(key)).status_code == 401
    identity.users.change(user_id, UserChange(disabled=False))
    assert client.get("/orders", headers=key_header(key)).status_code == 200
    identity.users.remove(user_id)
    assert client.get("/orders", headers=key_header(key)).status_code == 401


def test_a_key_outlives_logout_and_password_change(
    client: FlaskClient, identity: Identity, tokens: Tokens
) -> None:
    key = create_key(client, tokens)["key"]
    principal = identity.verify_access_token(tokens.access_token)
    fresh = identity.change_password(principal, PASSWORD, "a horse of another colour", *NOWHERE)
    identity.logout(identity.verify_access_token(fresh.access_token), None, everywhere=True)
    assert client.get("/orders", headers=key_header(key)).status_code == 200


def test_a_key_in_a_text_is_masked(client: FlaskClient, tokens: Tokens) -> None:
    key = create_key(client, tokens)["key"]
    assert key.split("_", 2)[2] not in mask_text(f"GET /orders/{key} failed")
