"""Cursors: opaque places in a list, valid only for the list that gave them out."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol, TypeVar

import orjson

from backend.errors import InvalidCursor
from backend.schemas.common import Model, Page, PageQuery, Pagination


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


class _Placed(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def created_at(self) -> datetime: ...


M = TypeVar("M", bound=Model)


R = TypeVar("R", bound=_Placed)


def place(kind: str, cursor: str | None) -> Place | None:
    """Return where the page that a cursor names begins; raises `InvalidCursor`."""
    text = decode_text_cursor(kind, cursor)
    if text is None:
        return None
    at, _, row_id = text.partition(" ")
    created_at = _moment(at)
    if created_at is None:
        raise InvalidCursor(f"cursor: not one of the {kind} list")
    return Place(created_at, row_id)


def page(kind: str, rows: Sequence[R], query: PageQuery, show: Callable[[R], M]) -> Page[M]:
    """Make a page of rows, of which one more was read than the page holds."""
    listed, more = rows[: query.limit], rows[query.limit :]
    cursor = None
    if more:
        cursor = encode_text_cursor(kind, f"{listed[-1].created_at.isoformat()} {listed[-1].id}")
    return Page(
        data=[show(row) for row in listed],
        pagination=Pagination(limit=query.limit, next_cursor=cursor),
    )


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if found.tzinfo is None else found


class Place(NamedTuple):
    """When something was made, and its id: no two stand in one place."""

    created_at: datetime
    id: str
