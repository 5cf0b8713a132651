"""Pages of lists that show the newest first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from backend.cursors import decode_text_cursor, encode_text_cursor
from backend.errors import InvalidCursor
from backend.schemas.common import Model, Page, PageQuery, Pagination
from backend.store.places import Place


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
