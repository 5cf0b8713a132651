"""Description of the settings in force, as text without secrets."""

from __future__ import annotations

import re

from pydantic import SecretStr

from backend.settings.model import Settings


def describe(settings: Settings) -> list[tuple[str, str]]:
    """List each variable with its value as text, secrets masked."""
    rows = []
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        rows.append((f"BACKEND_{name.upper()}", _format_value(value)))
    return rows


def _format_value(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return "********"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, dict):
        return ",".join(f"{key}={item}" for key, item in value.items())
    if isinstance(value, bool):
        return str(value).lower()
    return re.sub(r"(?<=://)[^/@]*(?=@)", "********", str(value))
