"""Cursor pagination: opaque cursors, valid only for the list that issued them, and pages."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import NamedTuple, Protocol, TypeVar

import orjson

from backend.errors import InvalidCursor
from backend.schemas.common import Model, Page, PageQuery, Pagination


def encode_cursor(kind: str, position: int) -> str:
    """Return the cursor of a position in the list `kind`."""
    return _encode(kind, position)


def decode_cursor(kind: str, cursor: str | None) -> int | None:
    """Return the position in a cursor of `encode_cursor`; None for the start of the list.

    Raises `InvalidCursor` when it was not made for this list.
    """
    match _decode(kind, cursor):
        case None:
            return None
        case int(position) if type(position) is int and 0 <= position < 2**63:
            return position
    raise InvalidCursor(f"cursor: not one of the {kind} list")


def encode_text_cursor(kind: str, position: str) -> str:
    """Return the cursor of the position after an entry that is identified by a text."""
    return _encode(kind, position)


def decode_text_cursor(kind: str, cursor: str | None) -> str | None:
    """Return the text in a cursor of `encode_text_cursor`; None for the start of the list.

    Raises `InvalidCursor` when it was not made for this list.
    """
    match _decode(kind, cursor):
        case None:
            return None
        case str(position) if "\x00" not in position:  # PostgreSQL accepts no NUL
            return position
    raise InvalidCursor(f"cursor: not one of the {kind} list")


def _encode(kind: str, position: int | str) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([kind, position])).decode().rstrip("=")


def _decode(kind: str, cursor: str | None) -> object:
    """Return the position in a cursor of this list."""
    if cursor is None:
        return None
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        found = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (UnicodeEncodeError, binascii.Error, orjson.JSONDecodeError):
        raise InvalidCursor("cursor: not one of ours") from None
    match found:
        case [str(of), int() | str() as position] if of == kind:
            return position
    raise InvalidCursor(f"cursor: not one of the {kind} list")


class RowCursor(NamedTuple):
    """Position in a list sorted by time of creation and id, which together are unique."""

    created_at: datetime
    id: str


class _ListedRow(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def created_at(self) -> datetime: ...


M = TypeVar("M", bound=Model)
R = TypeVar("R", bound=_ListedRow)


def decode_row_cursor(kind: str, cursor: str | None) -> RowCursor | None:
    """Return the row after which the page of a cursor begins; raises `InvalidCursor`."""
    text = decode_text_cursor(kind, cursor)
    if text is None:
        return None
    at, _, row_id = text.partition(" ")
    created_at = _parse_time(at)
    if created_at is None:
        raise InvalidCursor(f"cursor: not one of the {kind} list")
    return RowCursor(created_at, row_id)


def make_page(kind: str, rows: Sequence[R], query: PageQuery, view: Callable[[R], M]) -> Page[M]:
    """Return a page of rows, newest first, of which one more than `limit` was read."""
    listed, following = rows[: query.limit], rows[query.limit :]
    cursor = None
    if following:
        cursor = encode_text_cursor(kind, f"{listed[-1].created_at.isoformat()} {listed[-1].id}")
    return Page(
        data=[view(row) for row in listed],
        pagination=Pagination(limit=query.limit, next_cursor=cursor),
    )


def _parse_time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
        return None if found.tzinfo is None else found.astimezone(timezone.utc)
    except (ValueError, OverflowError):  # the year 1 begins, and 9999 ends, elsewhere than in UTC
        return None
