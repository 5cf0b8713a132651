"""Every route × every caller gives the status that swagger.yaml states, and nothing happens.

Each request bears a query parameter that no route takes: whoever is let in gets a 400
that names it, before the view begins. So the same request is safe for `POST /bot/stop`
too, and a new route is in the matrix as soon as it is in swagger.yaml.
"""

from __future__ import annotations

import re

import pytest
from flask import Flask

from backend.identity.roles import ALL_SCOPES
from backend.middleware.auth import rule_of
from tests.api_client import ApiClient
from tests.security.api_callers import NARROW, Headers, all_callers
from tests.security.contract_routes import OPERATIONS, ROLES, Operation

pytestmark = [pytest.mark.long, pytest.mark.every_line]

PROBE = "no_such_parameter"
REFUSED = {
    "no token": "not_authenticated",
    "disabled user": "invalid_token",
    "expired": "token_expired",
    "revoked": "invalid_token",
    "foreign key": "invalid_token",
    "revoked key": "invalid_api_key",
    "expired key": "invalid_api_key",
    "unknown key": "invalid_api_key",
}
CALLERS = [*REFUSED, *ROLES, "confined", "key of elsewhere"]
KEYS = {"whole key": ALL_SCOPES, "narrow key": NARROW}
FOR_PEOPLE = {(403, "step_up_required"), (403, "session_required")}
# what leads out of having to set a password, and tells of it
CONFINED_TOO = {
    *("GET /api/v1/auth/me", "PUT /api/v1/auth/password"),
    *("POST /api/v1/auth/logout", "POST /api/v1/signout"),
}
# what only pages and tools ask for is not in the contract
BESIDE_THE_CONTRACT = {
    "/openapi.json": "public",
    "/docs": "public",
    "/docs/{name}": "public",
    "/metrics": "a check of its own",
}
# what a role that only looks may send: its own session, a second look, the way into a stream
VIEWERS_CHANGES = re.compile(r"/api/v1/(auth/\S+|signout|portfolio/refresh|stream/ticket)")


@pytest.fixture(scope="module")
def callers(app: Flask) -> dict[str, Headers]:
    return all_callers(app)


def stated(operation: Operation, caller: str) -> tuple[int, str]:
    """Read off swagger.yaml what a caller gets."""
    if operation.scope == "public":
        return 400, "validation_error"
    if caller in REFUSED:
        return 401, REFUSED[caller]
    if caller == "key of elsewhere":
        return 403, "address_not_allowed"
    if caller == "confined" and str(operation) not in CONFINED_TOO:
        return 403, "password_change_required"
    if caller in ROLES and not operation.admits(caller):
        return 403, "forbidden"
    return 400, "validation_error"


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_each_caller_gets_what_the_contract_states(
    client: ApiClient, callers: dict[str, Headers], operation: Operation, caller: str
) -> None:
    for path in {operation.path, operation.path.replace("/api/v1/", "/api/", 1)}:
        response = client.send(
            operation.method, f"{path}?{PROBE}=1", headers=callers[caller], json={}
        )
        problem = response.get_json()
        assert (response.status_code, problem["type"]) == stated(operation, caller), problem
        if response.status_code == 400:
            named = {field["field"] for field in problem["fields"]}
            assert named and named <= {PROBE} | operation.required_query  # noqa: PT018


@pytest.mark.parametrize("caller", KEYS)
@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_a_key_opens_what_its_scopes_name_and_nothing_that_takes_a_person(
    client: ApiClient, callers: dict[str, Headers], operation: Operation, caller: str
) -> None:
    response = client.send(
        operation.method, f"{operation.path}?{PROBE}=1", headers=callers[caller], json={}
    )
    outcome = (response.status_code, response.get_json()["type"])
    if operation.scope not in KEYS[caller] | {"public", "authenticated"}:
        assert outcome == (403, "forbidden")
    elif operation.step_up:
        assert outcome in FOR_PEOPLE
    elif operation.scope == "authenticated" and str(operation) != "GET /api/v1/auth/me":
        assert outcome == (403, "session_required")
    else:
        assert outcome == (400, "validation_error")


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_the_contract_states_a_rule_and_the_code_has_the_same(
    app: Flask, operation: Operation
) -> None:
    adapter = app.url_map.bind("")
    endpoint, _arguments = adapter.match(operation.path, operation.method)
    rule = rule_of(app, endpoint)
    assert rule is not None
    in_code = "public" if rule.public else rule.scope or "authenticated"
    assert operation.scope == in_code
    assert operation.scope in {"public", "authenticated"} | ALL_SCOPES


def test_no_route_stands_beside_the_contract_unnoticed(app: Flask) -> None:
    listed = {operation.template for operation in OPERATIONS}
    found = {
        path: rule_of(app, route.endpoint)
        for route in app.url_map.iter_rules()
        if (path := re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route.rule)) not in listed
    }
    named = {
        path: "public"
        if rule and rule.public
        else "a check of its own"
        if rule and rule.check
        else str(rule and rule.scope)
        for path, rule in found.items()
    }
    assert named == BESIDE_THE_CONTRACT


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_who_only_looks_changes_nothing(operation: Operation) -> None:
    if operation.method not in ("GET", "HEAD") and operation.scope != "public":
        own = VIEWERS_CHANGES.fullmatch(operation.template)
        assert not operation.admits("viewer") or own


def test_each_role_may_all_that_the_one_below_may() -> None:
    assert ROLES["viewer"] < ROLES["trader"] < ROLES["admin"] == ALL_SCOPES


def test_every_method_that_no_route_has_is_refused_to_admins_too(
    client: ApiClient, callers: dict[str, Headers]
) -> None:
    for method in ("TRACE", "CONNECT", "PROPFIND", "X-ANYTHING"):
        response = client.send(method, "/bot", headers=callers["admin"])
        assert (response.status_code, response.get_json()["type"]) == (405, "method_not_allowed")
