"""Parsing of path parameters that are no ids, such as symbols."""

from __future__ import annotations

from backend.errors import FieldError, ValidationFailed
from backend.schemas.common import parse_symbol


def symbol_in_path(text: str) -> str:
    """Return OctoBot's form of a symbol from a path; raises `ValidationFailed`."""
    try:
        return parse_symbol(text)
    except ValueError as error:
        raise ValidationFailed(fields=[FieldError("symbol", str(error))]) from None
