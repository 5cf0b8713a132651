"""swagger.yaml is what the code serves, is valid, and says of each route what it can answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from click.testing import CliRunner
from openapi_spec_validator import validate

from backend.app import register_routes
from backend.blueprints.aliases import ALIASES
from backend.cli.main import main
from backend.middleware.routing import BackendFlask
from backend.openapi.document import openapi_document
from backend.services import RateClass
from backend.settings.model import Settings

pytestmark = pytest.mark.every_line

SWAGGER = Path(__file__).parents[2] / "swagger.yaml"
RESOURCES = {
    *("/auth/login", "/auth/refresh", "/auth/logout", "/auth/me", "/auth/password"),
    *("/portfolio", "/portfolio/balance", "/orders", "/orders/{order_id}", "/trades/history"),
    *("/trades/{trade_id}", "/exchanges", "/markets", "/tickers", "/tickers/{symbol}"),
    *("/candles/{symbol}", "/order-book/{symbol}", "/config", "/config/schema", "/bot"),
    *("/bot/start", "/bot/stop", "/bot/restart", "/bot/pause", "/bot/resume", "/stream/ticket"),
    *("/stream", "/stream/prices", "/stream/orders", "/audit", "/exchanges/credentials"),
    *("/exchanges/{exchange}/credentials", "/exchanges/{exchange}/credentials/test"),
}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    app = BackendFlask("tests")
    register_routes(app, production=False)
    return openapi_document(app)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_the_committed_contract_is_what_the_command_prints() -> None:
    printed = CliRunner().invoke(main, ["openapi"])
    assert printed.exit_code == 0
    assert printed.stdout == SWAGGER.read_text(encoding="utf-8")


def test_the_committed_contract_is_what_the_code_serves(document: dict[str, Any]) -> None:
    assert yaml.safe_load(SWAGGER.read_text(encoding="utf-8")) == document


def test_the_contract_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    validate(document)


def test_the_contract_holds_the_resources(document: dict[str, Any]) -> None:
    assert {f"/api/v1{path}" for path in RESOURCES} | {"/healthz", "/readyz"} <= set(
        document["paths"]
    )


def test_the_contract_does_not_depend_on_who_asked_first(document: dict[str, Any]) -> None:
    app = BackendFlask("tests")
    register_routes(app, production=True)
    assert openapi_document(app) == openapi_document(app) == document


def test_operations_have_names_of_their_own_and_words_for_users(document: dict[str, Any]) -> None:
    found = [operation for _, _, operation in operations(document)]
    names = [operation["operationId"] for operation in found]
    assert len(names) == len(set(names))
    assert all(operation["summary"].endswith(".") for operation in found)
    assert all(operation["tags"] for operation in found)


def test_aliases_are_marked_and_say_the_same_as_their_first_path(document: dict[str, Any]) -> None:
    ids = set()
    for alias, endpoint in ALIASES.items():
        operation = document["paths"][f"/api/v1{alias}"]["post"]
        first = re.match("The same as `(.+?)`.", operation["description"])
        assert first is not None
        same = document["paths"][first[1]]["post"]
        assert (operation["tags"], same["tags"]) == (["aliases"], ["auth"])
        assert same["operationId"] == endpoint.partition(".")[2]
        ids.add(operation["operationId"])
        own = {"tags", "description", "operationId"}
        assert {k: operation[k] for k in operation.keys() - own} == {
            k: same[k] for k in same.keys() - own
        }
    assert ids == {"signup", "verify_otp", "complete_registration", "signin", "signout"}
    assert {"aliases", "auth"} <= {tag["name"] for tag in document["tags"]}


def test_every_error_is_a_problem(document: dict[str, Any]) -> None:
    shared = document["components"]["responses"]
    for path, method, operation in operations(document):
        errors = {
            int(code): answer for code, answer in operation["responses"].items() if code >= "4"
        }
        assert {400, 500} <= errors.keys(), (path, method)
        for answer in errors.values():
            content = shared[answer["$ref"].rpartition("/")[2]]["content"]
            schema = content["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/Problem"}, (path, method)


def test_routes_say_who_may_call_them(document: dict[str, Any]) -> None:
    public = {"/", "/api/v1/auth/login", "/api/v1/auth/refresh", "/healthz", "/readyz"}
    for wish in ("register", "password-reset"):
        public |= {f"/api/v1/auth/{wish}", f"/api/v1/auth/{wish}/complete"}
    public.add("/api/v1/auth/register/verify")
    public |= {f"/api/v1/{name}" for name in ("signup", "verify-otp", "complete-registration")}
    public.add("/api/v1/signin")
    public |= {
        f"/api/v1/auth/oidc/{name}" for name in ("login", "callback", "nonce", "id-token", "token")
    }
    for path, _, operation in operations(document):
        assert (operation.get("security") == []) == (path in public), path
        assert "401" in operation["responses"] or path in public, path
    assert document["security"] == [{"bearer": []}]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_every_route_has_one_budget_which_the_contract_names(document: dict[str, Any]) -> None:
    app = BackendFlask("tests")
    register_routes(app, production=False)
    told, unknown = {}, set()
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        counted = getattr(app.view_functions[rule.endpoint], "rate_class", "address")
        assert counted in document["x-rate-limits"], path
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            operation = document["paths"].get(path, {}).get(method.lower())
            if operation is None:
                unknown.add(path)
                assert counted == "address", path
            else:
                assert operation["x-rate-limit"] == counted, path
                told[method, path] = counted
    assert unknown == {"/metrics", "/openapi.json", "/docs", "/docs/{name}"}
    assert set(told) == {(method.upper(), path) for path, method, _ in operations(document)}
    brakes = {path.removeprefix("/api/v1") for (_, path), name in told.items() if name == "brake"}
    assert brakes == {
        *("/orders", "/orders/cancel-all-after", "/positions/{symbol}/close"),
        *("/bot/pause", "/bot/stop", "/risk"),
    }


def test_budgets_have_their_settings_and_defaults(document: dict[str, Any]) -> None:
    for name, budget in document["x-rate-limits"].items():
        field = Settings.model_fields[f"rate_limit_{name}"]
        assert budget["setting"] == f"BACKEND_RATE_LIMIT_{name.upper()}"
        assert budget["default"] == field.default
    assert set(get_args(RateClass)) | {"address"} == set(document["x-rate-limits"])


def test_a_stream_is_an_event_stream(document: dict[str, Any]) -> None:
    answer = document["paths"]["/api/v1/stream/prices"]["get"]["responses"]["200"]
    assert list(answer["content"]) == ["text/event-stream"]


def test_nothing_stands_unused(document: dict[str, Any]) -> None:
    text = SWAGGER.read_text(encoding="utf-8")
    for kind in ("schemas", "responses"):
        for name in document["components"][kind]:
            assert f"#/components/{kind}/{name}'" in text, name
