"""schemathesis drives the routes of swagger.yaml: no 5xx, no answer that the contract lacks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    positive_data_acceptance,
    unsupported_method,
)

from tests.api_client import ApiClient
from tests.openapi.test_document import SWAGGER
from tests.security.contract_routes import OPERATIONS

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

pytestmark = pytest.mark.long

# streams do not end, a stopped bot answers 503 as it should, and a logout ends the token
NOT_HERE = r"^(/ws|/api/v1/(stream(/prices|/orders)?|bot/\w+|auth/logout))$"
PUBLIC = {operation.template for operation in OPERATIONS if operation.scope == "public"}
BEYOND_THE_CONTRACT = [
    # a symbol or exchange may be well-formed and not be traded here
    positive_data_acceptance,
    # Werkzeug lists the methods of /orders/{order_id} for /orders/preview too
    allow_header_conformance,
    # PATCH /positions/{symbol} takes symbols with a slash, and so BTC-USDT/close too
    unsupported_method,
]


class LateApp:
    """The contract until there is an app: tests are collected before fixtures are made."""

    app: Flask | None = None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if self.app is not None:
            return self.app(environ, start_response)
        start_response("200 OK", [("Content-Type", "application/yaml")])
        return [SWAGGER.read_bytes()]


LATE_APP = LateApp()
CONTRACT = schemathesis.openapi.from_wsgi("/swagger.yaml", LATE_APP)
# a stranger's request is turned away before its fields are looked at: not each of them in turn
SHORT = SchemathesisConfig.from_dict({"phases": {"coverage": {"enabled": False}}})
TO_STRANGERS = schemathesis.openapi.from_wsgi("/swagger.yaml", LATE_APP, config=SHORT)


@pytest.fixture(scope="module")
def admin(app: Flask) -> dict[str, str]:
    LATE_APP.app = app
    return ApiClient(app).as_admin().headers


@CONTRACT.exclude(path_regex=NOT_HERE).parametrize()
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_input_gets_an_answer_that_the_contract_lacks(
    case: schemathesis.Case, admin: dict[str, str]
) -> None:
    case.call_and_validate(headers=admin, excluded_checks=BEYOND_THE_CONTRACT)


@TO_STRANGERS.parametrize()
@settings(max_examples=1, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_stranger_gets_an_answer_that_the_contract_lacks(
    case: schemathesis.Case, admin: dict[str, str]
) -> None:
    response = case.call_and_validate(excluded_checks=BEYOND_THE_CONTRACT)
    if case.operation.path not in PUBLIC and response.request.method != "OPTIONS":
        assert 400 <= response.status_code < 500
