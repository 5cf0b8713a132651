"""Cursors: opaque places in a list, valid only for the list that gave them out."""

from __future__ import annotations

import base64
import binascii

import orjson

from backend.errors import InvalidCursor


def encode_cursor(kind: str, place: int) -> str:
    """Name a place in the list `kind`."""
    return _encode(kind, place)


def decode_cursor(kind: str, cursor: str | None) -> int | None:
    """Return the place that `encode_cursor` was given; None for the start of the list.

    Raises `InvalidCursor` when it was not made for this list.
    """
    match _decode(kind, cursor):
        case None:
            return None
        case int(place) if type(place) is int and 0 <= place < 2**63:
            return place
    raise InvalidCursor(f"cursor: not one of the {kind} list")


def encode_text_cursor(kind: str, place: str) -> str:
    """Name the place behind an entry that is known by a text."""
    return _encode(kind, place)


def decode_text_cursor(kind: str, cursor: str | None) -> str | None:
    """Return the text that `encode_text_cursor` was given; None for the start of the list.

    Raises `InvalidCursor` when it was not made for this list.
    """
    match _decode(kind, cursor):
        case None:
            return None
        case str(place) if "\x00" not in place:  # PostgreSQL takes no NUL
            return place
    raise InvalidCursor(f"cursor: not one of the {kind} list")


def _encode(kind: str, place: int | str) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([kind, place])).decode().rstrip("=")


def _decode(kind: str, cursor: str | None) -> object:
    """Return the place that a cursor of this list names."""
    if cursor is None:
        return None
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        found = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (UnicodeEncodeError, binascii.Error, orjson.JSONDecodeError):
        raise InvalidCursor("cursor: not one of ours") from None
    match found:
        case [str(of), int() | str() as place] if of == kind:
            return place
    raise InvalidCursor(f"cursor: not one of the {kind} list")
