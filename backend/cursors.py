"""Cursors: opaque places in a list, valid only for the list that gave them out."""

from __future__ import annotations

import base64
import binascii

import orjson

from backend.errors import InvalidCursor


def encode_cursor(kind: str, *position: str | int) -> str:
    """Name a place in the list `kind`."""
    return base64.urlsafe_b64encode(orjson.dumps([kind, *position])).decode().rstrip("=")


def decode_cursor(kind: str, cursor: str, *types: type[str] | type[int]) -> list[str | int]:
    """Return the position that `encode_cursor` was given.

    Raises `InvalidCursor` when it was not made for this list or holds other types.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        found = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (UnicodeEncodeError, binascii.Error, orjson.JSONDecodeError):
        raise InvalidCursor("cursor: not one of ours") from None
    if not isinstance(found, list) or found[:1] != [kind] or len(found) != len(types) + 1:
        raise InvalidCursor(f"cursor: not one of the {kind} list")
    position = found[1:]
    if any(type(value) is not wanted for value, wanted in zip(position, types, strict=True)):
        raise InvalidCursor(f"cursor: not one of the {kind} list")
    return position
