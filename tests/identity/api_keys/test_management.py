"""Creating and listing API keys: shown once, validated, limited in number, audited."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from backend.identity import Identity
from backend.identity.api_keys import MAX_KEYS_PER_USER
from backend.middleware.audit import Audit
from backend.schemas.api_keys import NewApiKey
from backend.schemas.auth import Tokens
from backend.schemas.common import PageQuery
from backend.store import Database
from tests.identity.api_keys.key_client import READING, TRADING, create_key, key_header, list_keys
from tests.identity_app import NOWHERE, PASSWORD, StartIdentity, bearer


def test_making_a_key_takes_a_step_up(
    client: FlaskClient, identity: Identity, tokens: Tokens
) -> None:
    renewed = identity.refresh(tokens.refresh_token, *NOWHERE)
    answer = client.post("/auth/api-keys", json=READING, headers=bearer(renewed.access_token))
    assert (answer.status_code, answer.json["type"]) == (403, "step_up_required")
    assert list_keys(client, renewed) == []


def test_a_key_is_shown_once_and_kept_as_its_digest(
    client: FlaskClient, tokens: Tokens, database: Database
) -> None:
    made = create_key(client, tokens)
    assert re.fullmatch(r"obk_[a-z2-9]{8}_[\w-]{43}", made["key"])
    assert made["key"].startswith(made["prefix"] + "_")
    (shown,) = list_keys(client, tokens)
    assert shown == {name: value for name, value in made.items() if name != "key"}
    assert shown["last_used_at"] is None
    with database.engine.connect() as connection:
        kept = str(connection.execute(text("SELECT * FROM api_keys")).all())
    assert made["prefix"] in kept
    assert made["key"][len(made["prefix"]) + 1 :] not in kept


def test_nobody_sees_or_revokes_anothers_key(
    client: FlaskClient, identity: Identity, tokens: Tokens
) -> None:
    made = create_key(client, tokens)
    admin = identity.login("admin", PASSWORD, *NOWHERE)
    assert list_keys(client, admin) == []
    answer = client.delete(f"/auth/api-keys/{made['id']}", headers=bearer(admin.access_token))
    assert answer.status_code == 404
    assert client.get("/orders", headers=key_header(made["key"])).status_code == 200


def test_the_last_use_is_shown_and_survives_a_restart(
    client: FlaskClient, identity: Identity, tokens: Tokens, start_identity: StartIdentity
) -> None:
    made = create_key(client, tokens)
    client.get(
        "/orders", headers=key_header(made["key"]), environ_base={"REMOTE_ADDR": "192.0.2.77"}
    )
    (shown,) = list_keys(client, tokens)
    assert shown["last_address"] == "192.0.2.77"
    assert shown["last_used_at"] >= shown["created_at"]
    client.get(
        "/orders", headers=key_header(made["key"]), environ_base={"REMOTE_ADDR": "192.0.2.78"}
    )
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
    assert list_keys(client, tokens) == []


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
        create_key(client, tokens, name=f"key {number}")
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
    made = create_key(client, tokens, **TRADING)
    client.post("/orders", headers=key_header(made["key"]))
    assert recorder.flush()
    admin = identity.login("admin", PASSWORD, *NOWHERE)
    path = "/audit?user=Trader&action=create_order"
    (entry,) = client.get(path, headers=bearer(admin.access_token)).json["data"]
    assert entry["username"] == f"trader {made['prefix']}"
    assert entry["user_id"] == tokens.user.id
    assert client.get("/audit?user=trade", headers=bearer(admin.access_token)).json["data"] == []
