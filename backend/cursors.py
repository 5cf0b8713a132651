"""Cursors: opaque places in a list, valid only for the list that gave them out."""

from __future__ import annotations

import base64
import binascii

import orjson

from backend.errors import InvalidCursor


def encode_cursor(kind: str, place: int) -> str:
    """Name a place in the list `kind`."""
    return base64.urlsafe_b64encode(orjson.dumps([kind, place])).decode().rstrip("=")


def decode_cursor(kind: str, cursor: str | None) -> int | None:
    """Return the place that `encode_cursor` was given; None for the start of the list.

    Raises `InvalidCursor` when it was not made for this list.
    """
    if cursor is None:
        return None
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        found = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (UnicodeEncodeError, binascii.Error, orjson.JSONDecodeError):
        raise InvalidCursor("cursor: not one of ours") from None
    match found:
        case [str(of), int(place)] if of == kind and type(place) is int and 0 <= place < 2**63:
            return place
    raise InvalidCursor(f"cursor: not one of the {kind} list")
