"""Idempotency-Key header: the same key and body return the first response again."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from flask import request

from backend.errors import FieldError, ValidationFailed

V = TypeVar("V", bound=Callable[..., object])

HEADER = "Idempotency-Key"
PATTERN = r"^[A-Za-z0-9_.:\-]{1,128}$"


def idempotent(view: V) -> V:
    """Mark a view as accepting the header, for the contract."""
    view.takes_idempotency_key = True  # type: ignore[attr-defined] # read by backend.openapi.document
    return view


def idempotency_key() -> str | None:
    """Return the request's key; raises `ValidationFailed` for an invalid one."""
    key = request.headers.get(HEADER)
    if key is not None and not re.fullmatch(PATTERN, key):
        raise ValidationFailed(
            fields=[FieldError(HEADER, "1 to 128 letters, digits and any of _ . : -")]
        )
    return key
