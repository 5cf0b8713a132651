"""The API contract: the OpenAPI document of what the app serves, and its form as swagger.yaml."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import yaml
from flask import Flask

from backend.middleware.auth import AccessRule, rule_of
from backend.middleware.idempotency import HEADER, PATTERN
from backend.openapi import api
from backend.schemas.common import Problem

Json = dict[str, Any]

_OWN_ERRORS = {
    400: "The request is malformed or a field is refused; `fields` names each",
    500: "A defect of the server; its log has more under the request id",
}
_AUTH_ERRORS = {401: "Nobody is logged in: the token is missing, expired or revoked"}
_SCOPE_ERRORS = {403: "The caller's role lacks the scope"}
_BODY_ERRORS = {413: "The body is larger than 1 MiB", 415: "The body is not JSON"}
_LIMIT_ERRORS = {429: "Too many requests of this kind; see Retry-After"}
_DESCRIPTIONS = {
    200: "Success",
    201: "Created",
    202: "Accepted",
    304: "Not changed since the answer that had the ETag in If-None-Match",
    404: "Not found",
    409: "The request contradicts the present state",
    422: "Understood and refused; `type` names the rule",
    502: "The exchange refused or did not answer",
    503: "The bot is not ready; see Retry-After",
    504: "The bot or the exchange did not answer in time",
    **_OWN_ERRORS,
    **_AUTH_ERRORS,
    **_SCOPE_ERRORS,
    **_BODY_ERRORS,
    **_LIMIT_ERRORS,
}
_HEADERS = {
    "ETag": "Names this state of the resource; send it as If-None-Match",
    "Location": "The address of what was created",
    "RateLimit-Limit": "Requests of this kind that the window allows",
    "RateLimit-Remaining": "Requests that are left in the window",
    "RateLimit-Reset": "Seconds until the window ends",
    "Retry-After": "Seconds to wait before trying again",
}
_IDEMPOTENCY_KEY = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "Names this intent: the same key and body give the first answer again.",
    "schema": {"type": "string", "pattern": PATTERN},
}
_RATE_HEADERS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")


def contract(app: Flask) -> Json:
    """Describe every validated route of the app."""
    own = copy.copy(api)  # spectree caches the document and takes models apart as it writes it
    own.models = copy.deepcopy(api.models)
    with app.app_context():
        document: Json = json.loads(json.dumps(own.spec))
        for path, method, endpoint in _operations(app):
            _complete(document["paths"][path][method], app, endpoint)
    _tidy(document["paths"])
    _tidy(document["components"])
    _drop_unused(document["components"]["schemas"], document)
    return document


def contract_yaml(app: Flask) -> str:
    """Write the contract as swagger.yaml holds it."""
    return str(yaml.safe_dump(contract(app), sort_keys=False, allow_unicode=True, width=100))


def _operations(app: Flask) -> Iterator[tuple[str, str, str]]:
    for rule in app.url_map.iter_rules():
        if api.get_function_metadata(app.view_functions[rule.endpoint]) is not None:
            path, _parameters = api.backend.parse_path(rule, None)
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield path, method.lower(), rule.endpoint


def _complete(operation: Json, app: Flask, endpoint: str) -> None:
    """Add what no view has to say: the errors of the layers around it, headers, media types."""
    rule = rule_of(app, endpoint) or AccessRule()
    rate_class = getattr(app.view_functions[endpoint], "rate_class", None)
    errors = dict(_OWN_ERRORS)
    if rule.public:
        operation["security"] = []
    else:
        errors |= _AUTH_ERRORS
    if rule.scope is not None:
        errors |= _SCOPE_ERRORS
        operation["description"] += f"\n\nScope: `{rule.scope}`."
    if "requestBody" in operation:
        errors |= _BODY_ERRORS
    if rate_class is not None:
        errors |= _LIMIT_ERRORS
    if getattr(app.view_functions[endpoint], "takes_idempotency_key", False):
        operation["parameters"] = [*operation.get("parameters", ()), _IDEMPOTENCY_KEY]
    responses: Json = operation["responses"]
    for status in errors:
        responses.setdefault(str(status), {"content": _json_of(Problem.__name__)})
    for code in responses:
        responses[code]["description"] = _DESCRIPTIONS[int(code)]
    _add_headers(responses, limited=rate_class is not None)
    if "content" not in responses.get("200", {"content": None}):
        responses["200"]["content"] = {"text/event-stream": {"schema": {"type": "string"}}}
    operation["responses"] = dict(sorted(responses.items()))


def _json_of(component: str) -> Json:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{component}"}}}


def _add_headers(responses: Json, *, limited: bool) -> None:
    for code, response in responses.items():
        names = list(_RATE_HEADERS) if limited and code[0] == "2" else []
        names += ["ETag"] if code == "200" and "304" in responses else []
        names += ["Location"] if code == "201" else []
        names += ["Retry-After"] if code in ("429", "503") else []
        if names:
            response["headers"] = {
                name: {"description": _HEADERS[name], "schema": {"type": "string"}}
                for name in names
            }


def _tidy(node: Any) -> None:  # noqa: ANN401 - any JSON
    """Drop pydantic's titles, which repeat the names, and empty descriptions."""
    if isinstance(node, dict):
        for key in ("title", "description"):
            if isinstance(node.get(key), str) and (key == "title" or not node[key].strip()):
                del node[key]
        if "description" in node and isinstance(node["description"], str):
            node["description"] = node["description"].strip()
    for child in node.values() if isinstance(node, dict) else node:
        if isinstance(child, dict | list):
            _tidy(child)


def _drop_unused(schemas: Json, document: Json) -> None:
    """Drop the models of query parameters, which nothing refers to, and what only they use."""
    used: set[str] = set()
    pending = list(_references(document["paths"]))
    while pending:
        name = pending.pop()
        if name not in used:
            used.add(name)
            pending += _references(schemas[name])
    for name in set(schemas) - used:
        del schemas[name]


def _references(node: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    if isinstance(node, dict) and isinstance(node.get("$ref"), str):
        yield node["$ref"].rpartition("/")[2]
    for child in node.values() if isinstance(node, dict) else node:
        if isinstance(child, dict | list):
            yield from _references(child)
