"""What swagger.yaml states of each route: its address with everything filled in, and its scope."""

from __future__ import annotations

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

    def __str__(self) -> str:
        return f"{self.method} {self.template}"

    def admits(self, role: str) -> bool:
        """Whether swagger.yaml lets a role in."""
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
    Operation(method.upper(), _filled(template, operation), template, operation.get("x-scope"))
    for template, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
