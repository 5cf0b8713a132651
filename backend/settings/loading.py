"""Settings read from BACKEND_* variables and a .env file, checked for production."""

from __future__ import annotations

from decimal import InvalidOperation
from typing import Any, cast

from pydantic import ValidationError

from backend.settings.model import Settings, SettingsError
from backend.settings.production import find_weaknesses


def load_settings(**overrides: object) -> Settings:
    """Read the settings from the environment.

    Raises `SettingsError`, with one line for the first value that is wrong, or that is too
    weak for production.
    """
    try:
        settings = Settings(**cast(dict[str, Any], overrides))
    except (ValidationError, InvalidOperation) as error:
        raise SettingsError(_one_line(error)) from None
    if settings.env == "production":
        for weakness in find_weaknesses(settings):
            raise SettingsError(weakness)
    return settings


def _one_line(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return "BACKEND_PAPER_BALANCE: asset=amount pairs, comma-separated"
    first = error.errors(include_input=False, include_url=False)[0]
    message = first["msg"].removeprefix("Value error, ")
    return f"BACKEND_{str(first['loc'][0]).upper()}: {message}" if first["loc"] else message
