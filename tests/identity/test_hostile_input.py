"""Ids and cursors that no client of ours makes, on SQLite and PostgreSQL: 4xx, never a 500."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from backend.identity import Identity
from backend.schemas.auth import Tokens
from backend.settings.model import Settings
from tests.databases import Cluster, make_settings
from tests.identity_app import NOWHERE, PASSWORD, SECRET, bearer

LISTS = [("sessions", "/auth/sessions"), ("api_keys", "/auth/api-keys")]
TIMES = [
    "0001-01-01T00:00:00+14:00",
    "0001-01-01T00:00:00.000001+00:00:01",
    "9999-12-31T23:59:59-14:00",
]


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    limits = dict.fromkeys(("rate_limit_login", "rate_limit_account"), "1000/minute")
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_file"), tmp_path)
        return make_settings(tmp_path, secret_key=SECRET, **limits)
    cluster: Cluster = request.getfixturevalue("cluster")
    url = cluster.create_migrated()
    return make_settings(tmp_path, secret_key=SECRET, database_url=url, **limits)


def cursor(kind: str, time: str) -> str:
    """Encode a position as the list `kind` does."""
    text = json.dumps([kind, f"{time} x"]).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize(("kind", "path"), LISTS)
def test_a_time_that_utc_does_not_have_is_no_cursor(
    client: FlaskClient, tokens: Tokens, kind: str, path: str, time: str
) -> None:
    headers = bearer(tokens.access_token)
    answer = client.get(f"{path}?cursor={cursor(kind, time)}", headers=headers)
    assert (answer.status_code, answer.json["type"]) == (400, "invalid_cursor")


@pytest.mark.parametrize(("kind", "path"), LISTS)
def test_the_ends_of_time_are_cursors(
    client: FlaskClient, tokens: Tokens, kind: str, path: str
) -> None:
    headers = bearer(tokens.access_token)
    for time, count in (("0001-01-01T00:00:00+00:00", 0), ("9999-12-31T23:59:59+00:00", None)):
        answer = client.get(f"{path}?cursor={cursor(kind, time)}", headers=headers)
        assert answer.status_code == 200
        assert count is None or len(answer.json["data"]) == count


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/users/%00"),
        ("PATCH", "/users/a%00b"),
        ("DELETE", "/users/a%00"),
        ("GET", "/users/%00/sessions"),
        ("DELETE", "/users/%00/sessions/%00"),
        ("DELETE", "/auth/sessions/%00"),
        ("DELETE", "/auth/api-keys/%00"),
    ],
)
def test_an_id_with_a_nul_is_malformed(
    client: FlaskClient, identity: Identity, method: str, path: str
) -> None:
    admin = bearer(identity.login("admin", PASSWORD, *NOWHERE).access_token)
    body = {"json": {"enabled": True}} if method == "PATCH" else {}
    answer = client.open(path, method=method, headers=admin, **body)
    assert (answer.status_code, answer.json["type"]) == (400, "malformed_request")


@pytest.mark.parametrize("text", ["\x00", "a\x00b"])
def test_texts_with_a_nul_break_nothing(client: FlaskClient, identity: Identity, text: str) -> None:
    admin = bearer(identity.login("admin", PASSWORD, *NOWHERE).access_token)
    bodies = [
        ("POST", "/auth/login", {"username": text, "password": text}),
        ("POST", "/auth/refresh", {"refresh_token": text}),
        ("POST", "/auth/api-keys", {"name": text, "scopes": ["orders:read"]}),
        ("POST", "/users", {"username": text, "password": "x" * 20, "role": "viewer"}),
    ]
    for method, path, body in bodies:
        answer = client.open(path, method=method, json=body, headers=admin)
        assert answer.status_code < 500, (path, answer.json)
