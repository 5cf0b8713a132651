"""Bounded, append-only list in memory: one thread writes, any thread reads without a lock."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Generic, NamedTuple, Protocol, TypeVar


class HasId(Protocol):
    """An item of a history."""

    @property
    def id(self) -> str:
        """The id, unique within the history."""


T = TypeVar("T", bound=HasId)


class Entry(NamedTuple, Generic[T]):
    """An item, its place in the whole list, and its JSON, serialised once."""

    place: int
    item: T
    json: bytes


class History(Generic[T]):
    """The newest items of a list: at least `capacity` of them, at most half as many again.

    Places grow; they may have gaps. Readers see whole entries, each as it was at
    some moment since they began.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._entries: list[Entry[T]] = []
        self._places: dict[str, int] = {}
        self._passed = 0
        self.complete = True

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def next_place(self) -> int:
        """The place of the next item."""
        return max(self._passed, self._entries[-1].place if self._entries else 0) + 1

    @property
    def oldest_place(self) -> int:
        """The place of the oldest item in memory."""
        return self._entries[0].place if self._entries else self.next_place

    def pass_by(self, place: int) -> None:
        """Skip the places up to this one: they belong to another account's items."""
        self._passed = max(self._passed, place)

    def append(self, item: T, json: bytes, place: int | None = None) -> Entry[T]:
        """Add an item at the newest end, or put a stored one at its place there."""
        entry = Entry(self.next_place if place is None else place, item, json)
        self._places[item.id] = entry.place
        self._entries.append(entry)
        if len(self._entries) > self._capacity * 3 // 2:
            self._drop_oldest()
        return entry

    def replace(self, item: T, json: bytes) -> Entry[T]:
        """Replace a known item by its newer state, in its place."""
        entry = Entry(self._places[item.id], item, json)
        entries = self._entries
        entries[_index(entries, entry.place)] = entry
        return entry

    def remove(self, item_id: str) -> None:
        """Remove an item, if it is known; readers continue with the list that has it."""
        place = self._places.pop(item_id, None)
        if place is not None:
            self._passed = max(self._passed, place)
            self._entries = [entry for entry in self._entries if entry.place != place]

    def get(self, item_id: str) -> Entry[T] | None:
        """Return the entry with this id, if it is still in memory."""
        entries, place = self._entries, self._places.get(item_id)
        if place is None or not entries or place < entries[0].place:
            return None
        return entries[_index(entries, place)]

    def newest_first(self, before: int | None = None) -> Iterator[Entry[T]]:
        """Iterate from the newest entry, or from just before a place, to the oldest in memory."""
        entries = self._entries
        end = len(entries) if before is None else _index(entries, before)
        for index in range(end - 1, -1, -1):
            yield entries[index]

    def after(self, place: int, limit: int) -> list[Entry[T]]:
        """Return the first entries that are newer than a place, oldest first."""
        entries = self._entries
        first = _index(entries, place + 1)
        return entries[first : first + limit]

    def page(
        self, limit: int, before: int | None, wanted: Callable[[T], bool]
    ) -> tuple[list[Entry[T]], int | None]:
        """Return up to `limit` matching entries, newest first, and the place to continue from."""
        found: list[Entry[T]] = []
        for entry in self.newest_first(before):
            if wanted(entry.item):
                if len(found) == limit:
                    return found, found[-1].place
                found.append(entry)
        return found, None

    def _drop_oldest(self) -> None:
        """Start a new list; readers continue with the old one."""
        count = len(self._entries) - self._capacity
        for entry in self._entries[:count]:
            del self._places[entry.item.id]
        self._entries = self._entries[count:]
        self.complete = False


def _index(entries: list[Entry[T]], place: int) -> int:
    return bisect_left(entries, place, key=lambda entry: entry.place)
