"""An append-only list with stable places: written on the bot's loop, read from any thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, NamedTuple, Protocol, TypeVar


class HasId(Protocol):
    """What a history can hold."""

    @property
    def id(self) -> str:
        """Unique within the history."""


T = TypeVar("T", bound=HasId)


class Entry(NamedTuple, Generic[T]):
    """One item, its place, and its JSON, serialised once."""

    place: int
    item: T
    json: bytes


class History(Generic[T]):
    """The newest `capacity` items at least, and at most half as many again.

    One writer. Readers need no lock: they see whole entries, each as it was at
    some moment since they began.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._entries: tuple[int, list[Entry[T]]] = (0, [])
        self._places: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._entries[1])

    def append(self, item: T, json: bytes) -> Entry[T]:
        """Add an item at the newest end."""
        base, entries = self._entries
        entry = Entry(base + len(entries), item, json)
        self._places[item.id] = entry.place
        entries.append(entry)
        if len(entries) > self._capacity * 3 // 2:
            self._drop_oldest(len(entries) - self._capacity)
        return entry

    def replace(self, item: T, json: bytes) -> Entry[T]:
        """Put a newer state of a known item into its old place."""
        base, entries = self._entries
        entry = Entry(self._places[item.id], item, json)
        entries[entry.place - base] = entry
        return entry

    def get(self, item_id: str) -> Entry[T] | None:
        """Return the entry with this id, if it is still kept."""
        place = self._places.get(item_id)
        if place is None:
            return None
        base, entries = self._entries
        return entries[place - base] if place >= base else None

    def newest_first(self, before: int | None = None) -> Iterator[Entry[T]]:
        """Walk from the newest, or from just before a place, to the oldest."""
        base, entries = self._entries
        start = len(entries) if before is None else min(before - base, len(entries))
        for index in range(start - 1, -1, -1):
            yield entries[index]

    def page(
        self, limit: int, before: int | None, wanted: Callable[[T], bool]
    ) -> tuple[list[Entry[T]], int | None]:
        """Return up to `limit` wanted entries, newest first, and the place to go on from."""
        found: list[Entry[T]] = []
        for entry in self.newest_first(before):
            if wanted(entry.item):
                if len(found) == limit:
                    return found, found[-1].place
                found.append(entry)
        return found, None

    def _drop_oldest(self, count: int) -> None:
        base, entries = self._entries
        for entry in entries[:count]:
            del self._places[entry.item.id]
        self._entries = (base + count, entries[count:])
