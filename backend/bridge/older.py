"""Pages that go on in the journal where memory ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from backend.bridge.history import Entry, HasId, History

T = TypeVar("T", bound=HasId)


class Stored(Protocol):
    """A row of the journal, with its place in the whole list."""

    @property
    def place(self) -> int:
        """Where it stands."""


S = TypeVar("S", bound=Stored)


def with_older(
    kept: History[T],
    found: list[Entry[T]],
    limit: int,
    before: int | None,
    fetch: Callable[[int, int], Sequence[S]],
    entry_of: Callable[[S], Entry[T] | None],
) -> tuple[list[Entry[T]], int | None]:
    """Fill a page from the journal: `fetch(place, count)` gives older rows, newest first.

    `entry_of` answers None for a row that the page does not want. Returns the
    page and the place to go on from, None at the end of the list.
    """
    place = kept.oldest_place if before is None else min(before, kept.oldest_place)
    missing = limit - len(found) + 1
    rows = fetch(place, missing)
    every = found + [entry for entry in map(entry_of, rows) if entry is not None]
    page = every[:limit]
    if len(every) <= limit and len(rows) < missing:
        return page, None
    return page, page[-1].place if page else rows[-1].place
