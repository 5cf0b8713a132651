"""An app whose requests are audited, and the entries that they leave."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from backend.identity import Identity
from backend.middleware.audit import Audit
from backend.middleware.auth import public, requires
from backend.store import Database, audit
from backend.store.models import AuditEntry
from tests.identity_app import NOWHERE, PASSWORD, bearer

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    @app.route("/orders/<order_id>", methods=["GET", "DELETE"])
    @requires("orders:write")
    def cancel_order(order_id: str) -> str:
        return order_id

    @app.post("/broken")
    @public
    def break_down() -> str:
        raise LookupError("the secret of the exception")

    return app.test_client()


@pytest.fixture
def admin(identity: Identity) -> dict[str, str]:
    return bearer(identity.login("admin", PASSWORD, *NOWHERE).access_token)


def trail(recorder: Audit, database: Database) -> list[AuditEntry]:
    """Return all entries, oldest first."""
    assert recorder.flush()
    return database.read(audit.list_entries, 1000)[::-1]


def summary(entry: AuditEntry) -> tuple:
    return entry.action, entry.username, entry.method, entry.status, entry.outcome
