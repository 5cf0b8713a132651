"""Admins read the audit, filtered and in pages."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from backend.identity import Identity
from backend.middleware.audit import Audit
from backend.schemas.auth import Tokens
from tests.identity_app import NOWHERE, PASSWORD, bearer


def test_admins_read_the_audit_newest_first_in_pages(
    client: FlaskClient, recorder: Audit, admin: dict[str, str], tokens: Tokens
) -> None:
    for number in range(5):
        client.delete(f"/orders/{number}", headers=bearer(tokens.access_token))
    assert recorder.flush()
    first = client.get("/audit?limit=3", headers=admin).json
    assert [entry["path"] for entry in first["data"]] == ["/orders/4", "/orders/3", "/orders/2"]
    assert set(first["data"][0]) == {
        "id",
        "occurred_at",
        "action",
        "user_id",
        "username",
        "address",
        "method",
        "path",
        "status",
        "outcome",
        "request_id",
        "change",
        "hash",
    }
    assert isinstance(first["data"][0]["id"], str)
    cursor = first["pagination"]["next_cursor"]
    client.delete("/orders/5", headers=bearer(tokens.access_token))
    assert recorder.flush()
    rest = client.get(f"/audit?limit=3&cursor={cursor}", headers=admin).json
    assert [entry["path"] for entry in rest["data"]] == ["/orders/1", "/orders/0"]
    assert rest["pagination"] == {"limit": 3, "next_cursor": None}


def test_admins_ask_who_did_what_when_and_with_what_outcome(
    client: FlaskClient, recorder: Audit, admin: dict[str, str], tokens: Tokens
) -> None:
    client.delete("/orders/1", headers=bearer(tokens.access_token))
    client.delete("/orders/2", headers=admin)
    client.post("/auth/login", json={"username": "trader", "password": "wrong"})
    assert recorder.flush()

    def found(**filters: str) -> list[str]:
        entries = client.get("/audit", query_string=filters, headers=admin).json["data"]
        return [f"{entry['username']} {entry['action']}" for entry in entries]

    failed, admins, traders = "trader auth.login", "admin cancel_order", "trader cancel_order"
    assert found() == [failed, admins, traders]
    assert found(user="Trader") == [failed, traders]
    assert found(user=tokens.user.id) == [traders]
    assert found(action="cancel_order") == [admins, traders]
    assert found(outcome="invalid_credentials") == [failed]
    assert found(user="trader", outcome="ok", limit="1") == [traders]
    assert found(since="2100-01-01T00:00:00Z") == found(until="2020-01-01T00:00:00+02:00") == []
    assert found(since="2020-01-01T00:00:00Z", until="2100-01-01T00:00:00Z") == found()


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=501", "limit=x", "cursor=nonsense", "user=", "user=a%00", "since=today"],
)
def test_a_query_that_does_not_fit_is_refused(
    client: FlaskClient, admin: dict[str, str], query: str
) -> None:
    assert client.get(f"/audit?{query}", headers=admin).status_code == 400


@pytest.mark.parametrize("username", ["viewer", "trader"])
def test_only_admins_read_the_audit(client: FlaskClient, identity: Identity, username: str) -> None:
    token = identity.login(username, PASSWORD, *NOWHERE).access_token
    assert client.get("/audit", headers=bearer(token)).status_code == 403
