"""An app with one route that reads orders and one that creates them."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from backend.middleware.auth import requires


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
