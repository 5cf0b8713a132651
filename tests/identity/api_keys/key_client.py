"""Requests that create, list and use API keys."""

from __future__ import annotations

from flask.testing import FlaskClient

from backend.schemas.auth import Tokens
from tests.identity_app import bearer

READING = {"name": "script", "scopes": ["orders:read", "portfolio:read"]}
TRADING = {"name": "trader", "scopes": ["orders:write"]}


def create_key(client: FlaskClient, tokens: Tokens, **body: object) -> dict:
    answer = client.post("/auth/api-keys", json=READING | body, headers=bearer(tokens.access_token))
    assert answer.status_code == 201, answer.text
    return answer.json["data"]


def key_header(key: str) -> dict[str, str]:
    return {"X-API-Key": key}


def list_keys(client: FlaskClient, tokens: Tokens) -> list[dict]:
    return client.get("/auth/api-keys", headers=bearer(tokens.access_token)).json["data"]
