"""Requests that leave an entry in the audit, and its content."""

from __future__ import annotations

import json
import time

from flask import Flask
from flask.testing import FlaskClient
from spectree import Response
from structlog.testing import capture_logs

from backend.errors import InvalidToken
from backend.identity import Identity
from backend.middleware.audit import Audit
from backend.middleware.auth import requires
from backend.openapi.validation import api
from backend.schemas.auth import Tokens
from backend.schemas.common import Envelope
from backend.schemas.configuration import ConfigDocument, ConfigPatch
from backend.settings.model import Settings
from backend.store import Database
from tests.identity_app import NOWHERE, PASSWORD, bearer, change_rate_limits
from tests.middleware.audit.audited_app import JSON, summary, trail


def test_logins_and_their_failures_are_recorded(
    client: FlaskClient, recorder: Audit, database: Database
) -> None:
    def log_in(username: str, password: str) -> dict:
        body = {"username": username, "password": password}
        return client.post("/auth/login", json=body).json

    tokens = log_in("Trader", PASSWORD)["data"]
    log_in("trader", "wrong")
    log_in("my password by mistake", "wrong")
    entries = trail(recorder, database)
    assert [summary(entry) for entry in entries] == [
        ("auth.login", "trader", "POST", 200, "ok"),
        ("auth.login", "trader", "POST", 401, "invalid_credentials"),
        ("auth.login", "m***", "POST", 401, "invalid_credentials"),
    ]
    assert [entry.user_id for entry in entries] == [tokens["user"]["id"], None, None]


def test_an_entry_says_who_from_where_what_and_which_request(
    client: FlaskClient, recorder: Audit, database: Database, tokens: Tokens
) -> None:
    answer = client.delete(
        "/orders/17?note=private",
        headers=bearer(tokens.access_token) | {"X-Request-ID": "mine-1"},
        environ_base={"REMOTE_ADDR": "203.0.113.9"},
    )
    assert answer.status_code == 200
    (entry,) = trail(recorder, database)
    assert summary(entry) == ("cancel_order", "trader", "DELETE", 200, "ok")
    assert (entry.user_id, entry.address) == (tokens.user.id, "203.0.113.9")
    assert (entry.path, entry.request_id) == ("/orders/17", "mine-1")
    assert abs(entry.occurred_at.timestamp() - time.time()) < 10


def test_a_stolen_refresh_token_leaves_its_trace_under_its_users_name(
    client: FlaskClient, recorder: Audit, database: Database, tokens: Tokens
) -> None:
    stolen = {"refresh_token": tokens.refresh_token}
    successor = client.post("/auth/refresh", json=stolen).json["data"]["refresh_token"]
    for refresh_token in (successor, tokens.refresh_token, "unknown"):
        client.post("/auth/refresh", json={"refresh_token": refresh_token})
    assert [summary(entry) for entry in trail(recorder, database)] == [
        ("auth.refresh", "trader", "POST", 200, "ok"),
        ("auth.refresh", "trader", "POST", 200, "ok"),
        ("auth.refresh", "trader", "POST", 401, "token_reused"),
        ("auth.refresh", None, "POST", 401, "invalid_token"),
    ]


def test_refused_changes_and_missing_scopes_are_recorded(
    client: FlaskClient, recorder: Audit, database: Database, identity: Identity
) -> None:
    viewer = bearer(identity.login("viewer", PASSWORD, *NOWHERE).access_token)
    client.delete("/orders/17", headers=viewer)
    client.get("/audit", headers=viewer)
    client.post("/auth/logout", json={"wrong": 1}, headers=viewer)
    client.post("/broken")
    assert [summary(entry) for entry in trail(recorder, database)] == [
        ("cancel_order", "viewer", "DELETE", 403, "forbidden"),
        ("audit.list_entries", "viewer", "GET", 403, "forbidden"),
        ("auth.logout", "viewer", "POST", 400, "validation_error"),
        ("break_down", None, "POST", 500, "internal_error"),
    ]


def test_a_refused_ticket_is_recorded(
    client: FlaskClient, app: Flask, recorder: Audit, database: Database
) -> None:
    def redeem() -> None:
        raise InvalidToken("the ticket was spent")

    app.add_url_rule("/stream", view_func=requires("stream:read", credentials=redeem)(list))
    assert client.get("/stream?ticket=spent-long-ago").status_code == 401
    (entry,) = trail(recorder, database)
    assert summary(entry) == ("list", None, "GET", 401, "invalid_token")
    assert entry.path == "/stream"


def test_reading_leaves_no_trace(
    client: FlaskClient, recorder: Audit, database: Database, tokens: Tokens
) -> None:
    headers = bearer(tokens.access_token)
    client.get("/auth/me", headers=headers)
    client.head("/auth/me", headers=headers)
    client.options("/auth/login")
    client.get("/auth/me")
    client.get("/nowhere")
    client.post("/nowhere")
    assert trail(recorder, database) == []


def test_being_refused_again_and_again_does_not_fill_the_audit(
    client: FlaskClient, recorder: Audit, database: Database, identity: Identity
) -> None:
    viewer = bearer(identity.login("viewer", PASSWORD, *NOWHERE).access_token)
    for _ in range(50):
        client.delete("/orders/17")
        client.get("/auth/me", headers=bearer("nonsense"))
        client.delete("/orders/17", headers=viewer)
    client.delete("/orders/17", environ_base={"REMOTE_ADDR": "203.0.113.9"})
    assert [(summary(entry), entry.address) for entry in trail(recorder, database)] == [
        (("cancel_order", None, "DELETE", 401, "not_authenticated"), "127.0.0.1"),
        (("auth.get_me", None, "GET", 401, "invalid_token"), "127.0.0.1"),
        (("cancel_order", "viewer", "DELETE", 403, "forbidden"), "127.0.0.1"),
        (("cancel_order", None, "DELETE", 401, "not_authenticated"), "203.0.113.9"),
    ]


def test_logins_beyond_the_limit_are_recorded_once(
    client: FlaskClient, app: Flask, recorder: Audit, database: Database, settings: Settings
) -> None:
    limit = settings.model_copy(update={"rate_limit_login": "3/minute"})
    change_rate_limits(app, limit)
    body = {"username": "trader", "password": "wrong"}
    answers = [client.post("/auth/login", json=body).status_code for _ in range(20)]
    assert answers == [401] * 3 + [429] * 17
    assert [summary(entry) for entry in trail(recorder, database)] == [
        ("auth.login", "trader", "POST", 401, "invalid_credentials"),
        ("auth.login", "trader", "POST", 401, "invalid_credentials"),
        ("auth.login", "trader", "POST", 401, "invalid_credentials"),
        ("auth.login", None, "POST", 429, "rate_limited"),
    ]


def test_logins_that_cannot_be_counted_are_recorded_once(
    client: FlaskClient, app: Flask, recorder: Audit, database: Database, settings: Settings
) -> None:
    away = settings.model_copy(update={"rate_limit_storage": "redis://127.0.0.1:1"})
    change_rate_limits(app, away)
    body = {"username": "trader", "password": PASSWORD}
    assert {client.post("/auth/login", json=body).status_code for _ in range(5)} == {503}
    assert [summary(entry) for entry in trail(recorder, database)] == [
        ("auth.login", None, "POST", 503, "rate_limits_away")
    ]


def test_secrets_in_a_path_are_masked_and_odd_characters_replaced(
    client: FlaskClient, recorder: Audit, database: Database, tokens: Tokens
) -> None:
    headers = bearer(tokens.access_token)
    client.delete(f"/orders/{tokens.access_token}", headers=headers)
    client.delete("/orders/a%00b%0Ac", headers=headers)
    client.delete("/orders/" + "x" * 1000, headers=headers)
    paths = [entry.path for entry in trail(recorder, database)]
    assert paths == ["/orders/********", "/orders/a?b?c", "/orders/" + "x" * 292]


def test_each_entry_is_also_a_line_of_the_log(client: FlaskClient) -> None:
    with capture_logs() as lines:
        client.post("/auth/login", json={"username": "trader", "password": "wrong"})
    (line,) = [line for line in lines if line["event"] == "audit"]
    assert (line["action"], line["username"], line["status"]) == ("auth.login", "trader", 401)
    assert "wrong" not in str(lines)


def test_what_was_asked_for_is_kept_without_secrets(
    client: FlaskClient, app: Flask, recorder: Audit, database: Database, tokens: Tokens
) -> None:
    @app.post("/change")
    @requires("orders:write")
    @api.validate(resp=Response(HTTP_200=Envelope[ConfigDocument]))
    def change(json: ConfigPatch) -> Envelope[ConfigDocument]:
        return Envelope(data=ConfigDocument(json.root))

    headers = bearer(tokens.access_token)
    asked = {
        "symbol": "BTC/USDT",
        "api_key": "planted 1",
        "nested": [{"api-secret": "planted 2", "note": "password=planted3", "code": 123456}],
        "tokens": ["planted 4"],
        "is_secret": False,
    }
    client.post("/change", json=asked, headers=headers)
    client.post("/change", json={"long": "x" * 20_000}, headers=headers)
    client.post("/change", json={"long": "x" * 3000}, headers=headers)
    client.post("/change", json=asked)
    deep = b'{"a":' * 30 + b"1" + b"}" * 30
    assert client.post("/change", data=deep, headers=headers | JSON).status_code == 200
    changes = [entry.change for entry in trail(recorder, database)]
    first, too_large, cut, refused, nested = changes
    assert nested == '{"a":' * 20 + '"..."' + "}" * 20
    assert json.loads(first) == {
        "symbol": "BTC/USDT",
        "api_key": "********",
        "nested": [{"api-secret": "********", "note": "password=********", "code": "********"}],
        "tokens": "********",
        "is_secret": False,
    }
    assert too_large == "20012 bytes"
    assert len(cut) == 2000
    assert refused is None
