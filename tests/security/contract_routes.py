"""Operations of swagger.yaml: path with its parameters filled in, and required scope."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

SWAGGER = Path(__file__).parents[2] / "swagger.yaml"
DOCUMENT: dict[str, Any] = yaml.safe_load(SWAGGER.read_text(encoding="utf-8"))
ROLES: dict[str, set[str]] = {role: set(names) for role, names in DOCUMENT["x-roles"].items()}


class Operation(NamedTuple):
    """One method of one path; `scope` is None where swagger.yaml says nothing."""

    method: str
    path: str
    template: str
    scope: str | None
    step_up: bool
    required_query: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return f"{self.method} {self.template}"

    def admits(self, role: str) -> bool:
        """Return whether swagger.yaml admits a role."""
        return self.scope in ("public", "authenticated") or self.scope in ROLES[role]


def _filled(template: str, operation: dict[str, Any]) -> str:
    path = template
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            schema = parameter["schema"]
            example = schema.get("examples", [1 if schema.get("type") == "integer" else "x"])[0]
            path = path.replace(f"{{{parameter['name']}}}", str(example))
    return path


OPERATIONS = [
    Operation(
        method.upper(),
        _filled(template, operation),
        template,
        operation.get("x-scope"),
        operation.get("x-step-up", False),
        frozenset(
            parameter["name"]
            for parameter in operation.get("parameters", [])
            if parameter["in"] == "query" and parameter.get("required")
        ),
    )
    for template, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
BODIES = [
    (method.upper(), path, operation["requestBody"]["content"]["application/json"]["schema"])
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    if "requestBody" in operation
]


def model(schema: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference into the contract's models."""
    if "$ref" not in schema:
        return schema
    found: dict[str, Any] = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


def texts_and_lists(schema: dict[str, Any], name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Walk through a model to its texts and lists."""
    schema = model(schema)
    for choice in schema.get("anyOf", []) + schema.get("oneOf", []) + schema.get("allOf", []):
        yield from texts_and_lists(choice, name)
    if schema.get("type") in ("string", "array"):
        yield name, schema
    if "items" in schema:
        yield from texts_and_lists(schema["items"], f"{name}[]")
    for key, part in schema.get("properties", {}).items():
        yield from texts_and_lists(part, f"{name}.{key}")


def is_bounded(schema: dict[str, Any]) -> bool:
    """Return whether a text or list has a maximum length."""
    if schema["type"] == "array":
        return "maxItems" in schema
    return bool({"maxLength", "enum", "const", "format", "pattern"} & set(schema))
