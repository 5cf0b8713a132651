"""Who may do what: scopes, and the roles that are sets of them."""

from __future__ import annotations

from typing import Literal, get_args

from backend.schemas.auth import Role

Scope = Literal[
    "portfolio:read",
    "orders:read",
    "orders:write",
    "trades:read",
    "markets:read",
    "config:read",
    "config:write",
    "credentials:read",
    "credentials:write",
    "bot:read",
    "bot:write",
    "stream:read",
    "users:read",
    "users:write",
    "audit:read",
]

ALL_SCOPES: frozenset[str] = frozenset(get_args(Scope))

_VIEWER = frozenset(
    {"portfolio:read", "orders:read", "trades:read", "markets:read", "bot:read", "stream:read"}
)

SCOPES: dict[Role, frozenset[str]] = {
    "viewer": _VIEWER,
    "trader": _VIEWER | {"orders:write"},
    "admin": ALL_SCOPES,
}
