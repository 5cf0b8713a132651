"""OpenAPI document of the app's routes, and its form as swagger.yaml."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml
from flask import Flask

from backend.identity.roles import SCOPES
from backend.middleware.auth import AccessRule, rule_of
from backend.middleware.idempotency import HEADER, PATTERN
from backend.openapi.rate_limits import RATE_HEADERS, RATE_LIMITS
from backend.openapi.validation import api
from backend.schemas.common import Problem

Json = dict[str, Any]


class _Error(NamedTuple):
    """An error response that many operations share."""

    name: str
    description: str
    headers: tuple[str, ...] = ()


_ERRORS = {
    400: _Error("BadRequest", "The request is malformed or a field is refused"),
    401: _Error("Unauthorized", "Nobody is logged in, or no longer", ("WWW-Authenticate",)),
    403: _Error("Forbidden", "The caller may not do this, or not yet; `type` says why"),
    404: _Error("NotFound", "Nothing has this address or id"),
    409: _Error("Conflict", "The request contradicts the present state"),
    410: _Error("EventsGone", "What followed the id is no longer kept"),
    413: _Error("BodyTooLarge", "The body is larger than 1 MiB"),
    415: _Error("UnsupportedMediaType", "The body is not JSON"),
    422: _Error("Refused", "Understood and refused; `type` names the rule"),
    426: _Error("UpgradeRequired", "The address is a WebSocket's", ("Upgrade",)),
    429: _Error(
        "TooManyRequests", "Too many requests of this kind", ("Retry-After", *RATE_HEADERS)
    ),
    500: _Error("Defect", "A defect; the server's log has more under the request id"),
    501: _Error("NotImplemented", "The server that runs this cannot do it"),
    502: _Error("ExchangeError", "The exchange refused or did not answer"),
    503: _Error(
        "NotReady", "The bot is not ready or has too much to do; `type` says", ("Retry-After",)
    ),
    504: _Error("Timeout", "The bot or the exchange did not answer in time"),
}
_SUCCESSES = {
    101: "The connection is a WebSocket from here on",
    200: "Success",
    201: "Created",
    202: "Accepted",
    302: "Go on at the address in `Location`",
    304: "Not changed since the answer whose ETag came in If-None-Match",
}
_HEADERS = {
    "ETag": "Names this state of the resource; send it as If-None-Match",
    "Location": "The address of what was created, or where to go on",
    **RATE_HEADERS,
    "Retry-After": "Seconds to wait before trying again",
    "Upgrade": "`websocket`",
    "WWW-Authenticate": "`Bearer`",
}
_IDEMPOTENCY_KEY = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "Names this intent: the same key and body give the first answer again.",
    "schema": {"type": "string", "pattern": PATTERN},
}
_SYMBOL_EXAMPLE = "BTC-USDT"
_ALIASES = "aliases"
_ALIASES_DESCRIPTION = "Other paths of the same operations: equal in all, the limits included."


def openapi_document(app: Flask) -> Json:
    """Describe every validated route of the app."""
    own = copy.copy(api)  # spectree caches the document and modifies models as it writes it
    own.models = copy.deepcopy(api.models)
    with app.app_context():
        document: Json = json.loads(json.dumps(own.spec))
        for path, method, endpoint in _operations(app):
            _complete(document["paths"][path][method], app, endpoint)
            _mark_alias(document["paths"][path][method], app, path, endpoint)
    if any(_ALIASES in operation["tags"] for operation in _all_operations(document)):
        document["tags"].append({"name": _ALIASES, "description": _ALIASES_DESCRIPTION})
    document["x-rate-limits"] = RATE_LIMITS
    document["x-roles"] = {role: sorted(scopes) for role, scopes in SCOPES.items()}
    components = document["components"]
    # spectree lists models in the order of imports, which varies
    components["schemas"] = dict(sorted(components["schemas"].items()))
    _tell_optional_bodies(document)
    components["responses"] = {error.name: _error_answer(error) for error in _ERRORS.values()}
    components["headers"] = {
        name: {"description": text, "schema": {"type": "string"}} for name, text in _HEADERS.items()
    }
    _tidy(document["paths"])
    _tidy(components)
    for kind in ("responses", "headers", "schemas"):
        _drop_unused(components[kind], kind, document)
    return document


def openapi_yaml(app: Flask) -> str:
    """Serialize the contract in swagger.yaml's format."""
    return str(
        yaml.dump(openapi_document(app), Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    )


class _Dumper(yaml.SafeDumper):
    """Writes multi-line texts as blocks, and repeats equal objects instead of linking them."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _write_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _write_text)


def _operations(app: Flask) -> Iterator[tuple[str, str, str]]:
    for rule in app.url_map.iter_rules():
        if api.get_function_metadata(app.view_functions[rule.endpoint]) is not None:
            path, _parameters = api.backend.parse_path(rule, None)
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield path, method.lower(), rule.endpoint


def _all_operations(document: Json) -> Iterator[Json]:
    for methods in document["paths"].values():
        yield from methods.values()


def _complete(operation: Json, app: Flask, endpoint: str) -> None:
    """Add the parts that no view declares: responses of other layers, headers, media types."""
    view = app.view_functions[endpoint]
    rule = rule_of(app, endpoint) or AccessRule()
    rate_class = getattr(view, "rate_class", None)
    limited = rate_class is not None
    operation["x-scope"] = "public" if rule.public else rule.scope or "authenticated"
    operation["security"] = list(_ways_in(rule))
    if rule.scope is not None:
        operation["description"] += f"\n\nScope: `{rule.scope}`."
    if getattr(view, "asks_step_up", False):
        operation["x-step-up"] = True
        operation["description"] += "\n\nTakes a step-up: `POST /auth/step-up`."
    operation["x-rate-limit"] = rate_class or "address"
    if limited:
        operation["description"] += f"\n\nRate limit: `{rate_class}`."
    if getattr(view, "takes_idempotency_key", False):
        operation["parameters"].append(_IDEMPOTENCY_KEY)
    for parameter in operation["parameters"]:
        if parameter["name"] == "symbol" and parameter["in"] == "path":
            parameter["schema"] = {"type": "string", "examples": [_SYMBOL_EXAMPLE]}
    answers = set(map(int, operation["responses"])) | set(
        _errors_around(operation, rule, rate_class)
    )
    operation["responses"] = {
        str(status): _answer(operation["responses"], status, limited) for status in sorted(answers)
    }
    for media_type in getattr(view, "other_media_types", ()):
        operation["responses"]["200"]["content"][media_type] = {"schema": {"type": "string"}}


def _mark_alias(operation: Json, app: Flask, path: str, endpoint: str) -> None:
    """Give a further path of a view a name of its own, and its tag."""
    first = next(app.url_map.iter_rules(endpoint)).rule
    if "<" in first or path == first:
        return
    operation["operationId"] = path.rpartition("/")[2].replace("-", "_")
    operation["tags"] = [_ALIASES]
    operation["description"] = f"The same as `{first}`.\n\n{operation['description']}"


def _tell_optional_bodies(document: Json) -> None:
    """Mark bodies that may be left out: an empty one is read as an object without fields."""
    for methods in document["paths"].values():
        for operation in methods.values():
            if "requestBody" in operation:
                schema = operation["requestBody"]["content"]["application/json"]["schema"]
                model = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
                operation["requestBody"]["required"] = "required" in model


def _ways_in(rule: AccessRule) -> Iterator[Json]:
    if not rule.public:
        yield {"bearer": []}
        if rule.allows_api_keys:
            yield {"api_key": []}
        if rule.credentials is not None:
            yield {"ticket": []}


def _errors_around(operation: Json, rule: AccessRule, rate_class: str | None) -> Iterator[int]:
    yield from (400, 500)
    if not rule.public:
        yield from (401, 403)
    if "requestBody" in operation:
        yield from (413, 415)
    if any(parameter["in"] == "path" for parameter in operation["parameters"]):
        yield 404
    yield 429  # every route is under the limit of its caller's address
    if rate_class == "query":
        yield 503


def _answer(described: Json, status: int, limited: bool) -> Json:
    if status in _ERRORS:
        return {"$ref": f"#/components/responses/{_ERRORS[status].name}"}
    answer: Json = {**described[str(status)], "description": _SUCCESSES[status]}
    if status == 200 and "content" not in answer:
        answer["content"] = {"text/event-stream": {"schema": {"type": "string"}}}
    names = [*RATE_HEADERS] if limited else []
    names += ["ETag"] if status in (200, 304) and "304" in described else []
    names += ["Location"] if status in (201, 302) else []
    if names:
        answer["headers"] = _header_references(names)
    return answer


def _error_answer(error: _Error) -> Json:
    schema = {"$ref": f"#/components/schemas/{Problem.__name__}"}
    answer: Json = {
        "description": error.description,
        "content": {"application/json": {"schema": schema}},
    }
    if error.headers:
        answer["headers"] = _header_references(error.headers)
    return answer


def _header_references(names: tuple[str, ...] | list[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _tidy(node: Any) -> None:  # noqa: ANN401 - any JSON
    """Drop pydantic's titles, which repeat the names, and empty descriptions and parameters."""
    if isinstance(node, dict):
        if isinstance(node.get("title"), str):
            del node["title"]
        if isinstance(node.get("description"), str):
            node["description"] = node["description"].strip()
        for key in [key for key in ("description", "parameters") if node.get(key) in ("", [])]:
            del node[key]
    for child in node.values() if isinstance(node, dict) else node:
        if isinstance(child, dict | list):
            _tidy(child)


def _drop_unused(components: Json, kind: str, document: Json) -> None:
    """Drop unreferenced models of query parameters and responses."""
    used: set[str] = set()
    pending = [document["paths"]] + [
        part for other, part in document["components"].items() if other != kind
    ]
    while pending:
        for name in _references(pending.pop(), f"#/components/{kind}/"):
            if name not in used:
                used.add(name)
                pending.append(components[name])
    for name in set(components) - used:
        del components[name]


def _references(node: Any, prefix: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
    if isinstance(node, dict) and str(node.get("$ref", "")).startswith(prefix):
        yield node["$ref"].removeprefix(prefix)
    for child in node.values() if isinstance(node, dict) else node:
        if isinstance(child, dict | list):
            yield from _references(child, prefix)
