"""Pages of a list that continue in the journal where the items in memory end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from backend.bridge.ledger.history import History


class Line(NamedTuple):
    """JSON of one item of a page, and its place in the whole list."""

    place: int
    json: bytes


class Placed(Protocol):
    """An item with a place in the whole list."""

    @property
    def place(self) -> int:
        """The item's number; newer items have higher ones."""


T = TypeVar("T", bound=Placed)
S = TypeVar("S", bound=Placed)


def with_older(
    kept: History[Any],
    found: list[T],
    limit: int,
    before: int | None,
    fetch: Callable[[int, int], Sequence[S]],
    entry_of: Callable[[S], T | None],
) -> tuple[list[T], int | None]:
    """Fill a page from the journal: `fetch(place, count)` returns older rows, newest first.

    `entry_of` returns None for a row that does not match the query. Returns the page
    and the place to continue from, None at the end of the list.
    """
    place = kept.oldest_place if before is None else min(before, kept.oldest_place)
    missing = limit - len(found) + 1
    rows = fetch(place, missing)
    every = found + [entry for entry in map(entry_of, rows) if entry is not None]
    page = every[:limit]
    if len(every) <= limit and len(rows) < missing:
        return page, None
    return page, page[-1].place if page else rows[-1].place
