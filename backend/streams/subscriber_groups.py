"""Clients that asked for the same thing, so that work is done once for all of them.

An event finds its groups through an index of topics and symbols: neither
clients nor groups that do not want it are looked at. Of many who asked for the
same, each so many are a group of their own, and have their wave one after the
other with what is there by then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from backend.schemas.topics import Topic
from backend.streams.event_log import Entry, Selection

if TYPE_CHECKING:
    from backend.streams.subscriber import Subscriber

MOST_IN_GROUP = 200  # who comes last in a group waits for the others: about 1 ms

_EVERY = "*every*"
_ANY_SYMBOL = "*any*"


class Wave:
    """What all current clients of a group are sent at once."""

    def __init__(self, entries: list[Entry], selection: Selection) -> None:
        self._entries = entries
        self._frames = [selection.form.dress(entry.spell(selection)) for entry in entries]
        self.data = b"".join(self._frames)

    def split(self, sent: int) -> tuple[int, bytes]:
        """Say how far a client has got that took only so many bytes.

        Returns the sequence of the last event that it has begun to take, and
        what is missing of that event.
        """
        sequence, rest = self._entries[0].id.sequence - 1, b""
        for entry, frame in zip(self._entries, self._frames, strict=True):
            if sent <= 0:
                break
            sequence, rest = entry.id.sequence, frame[sent:]
            sent -= len(frame)
        return sequence, rest


class SubscriberGroup:
    """Clients of one selection; `current` are those who have been sent all but what is pending."""

    __slots__ = ("current", "members", "pending", "selection")

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self.members: set[Subscriber] = set()
        self.current: set[Subscriber] = set()
        self.pending: list[Entry] = []

    def take_wave(self) -> Wave:
        """Spell what came in since the last time."""
        entries, self.pending = self.pending, []
        return Wave(entries, self.selection)

    def places(self) -> Iterator[tuple[Topic, str]]:
        """Yield where the index has to hold this group."""
        for topic in self.selection.topics:
            yield topic, _EVERY
            if self.selection.symbols is None:
                yield topic, _ANY_SYMBOL
            else:
                for symbol in self.selection.symbols:
                    yield topic, symbol


class SubscriberGroups:
    """All groups, and which of them an event goes to."""

    def __init__(self) -> None:
        self._groups: defaultdict[Selection, list[SubscriberGroup]] = defaultdict(list)
        self._index: defaultdict[tuple[Topic, str], dict[SubscriberGroup, None]] = defaultdict(dict)
        self._touched: dict[SubscriberGroup, None] = {}

    def join(self, client: Subscriber) -> None:
        """Put a client in a group of its selection, as one who lags."""
        groups = self._groups[client.selection]
        group = next((group for group in groups if len(group.members) < MOST_IN_GROUP), None)
        if group is None:
            group = SubscriberGroup(client.selection)
            groups.append(group)
            for place in group.places():
                self._index[place][group] = None
        group.members.add(client)
        client.group = group

    def leave(self, client: Subscriber) -> None:
        """Take a client out; a group goes with its last one."""
        group = client.group
        group.members.discard(client)
        group.current.discard(client)
        if not group.members:
            self._forget(group)

    def _forget(self, group: SubscriberGroup) -> None:
        self._groups[group.selection].remove(group)
        if not self._groups[group.selection]:
            del self._groups[group.selection]
        for place in group.places():
            del self._index[place][group]
            if not self._index[place]:
                del self._index[place]

    def mark_current(self, client: Subscriber) -> None:
        """Count a client among those who have been sent all there is."""
        client.group.current.add(client)

    def mark_lagging(self, client: Subscriber) -> None:
        """Count a client among those who have not."""
        client.group.current.discard(client)

    def route(self, entry: Entry) -> None:
        """Note an entry for the groups that take it."""
        if entry.symbol is None:
            self._note(entry, (entry.topic, _EVERY))
        else:
            self._note(entry, (entry.topic, _ANY_SYMBOL))
            self._note(entry, (entry.topic, entry.symbol))

    def _note(self, entry: Entry, place: tuple[Topic, str]) -> None:
        for group in self._index.get(place, ()):
            if entry.is_for(group.selection):
                group.pending.append(entry)
                self._touched[group] = None

    def take_touched(self) -> list[SubscriberGroup]:
        """Return the groups for which something was noted since the last time."""
        touched = list(self._touched)
        self._touched.clear()
        return touched

    def want(self, topic: Topic, symbol: str) -> bool:
        """Tell whether any group takes a topic for a symbol; may be asked from any thread."""
        return (topic, _ANY_SYMBOL) in self._index or (topic, symbol) in self._index

    def clients(self) -> list[Subscriber]:
        """Return every client."""
        groups = chain.from_iterable(self._groups.values())
        return [client for group in groups for client in group.members]
