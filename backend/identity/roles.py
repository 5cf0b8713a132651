"""Roles and the scopes that each of them grants."""

from __future__ import annotations

from typing import get_args

from backend.schemas.auth import Role, Scope

ALL_SCOPES: frozenset[str] = frozenset(get_args(Scope))

_VIEWER = frozenset(
    {"portfolio:read", "orders:read", "trades:read", "markets:read", "bot:read", "stream:read"}
)

SCOPES: dict[Role, frozenset[str]] = {
    "viewer": _VIEWER,
    "trader": _VIEWER | {"orders:write"},
    "admin": ALL_SCOPES,
}
