"""Groups of subscribers with equal selections: an event is encoded once for each group.

An index of topics and symbols finds an event's groups, so that subscribers and groups
without interest in it cost nothing. A group has a bounded size: many subscribers of one
selection form several groups, whose batches are sent one after the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from backend.schemas.topics import Topic
from backend.streams.event_log import LogEntry
from backend.streams.selection import Selection
from backend.streams.subscriber import Subscriber

MAX_GROUP_SIZE = 200  # the last subscriber of a group waits for all others: about 1 ms

_ALL_GROUPS = "*every*"
_ALL_SYMBOLS = "*any*"


class EncodedBatch:
    """A group's pending entries, encoded once for all its current subscribers."""

    def __init__(self, entries: list[LogEntry], selection: Selection) -> None:
        self._entries = entries
        encode = selection.encoding.encode
        self._frames = [encode(entry.frame_for(selection)) for entry in entries]
        self.data = b"".join(self._frames)

    def split(self, sent: int) -> tuple[int, bytes]:
        """Return the progress of a subscriber that took only the first `sent` bytes.

        That is the sequence of the last event of which it took any byte, and the
        missing part of that event.
        """
        sequence, unsent = self._entries[0].id.sequence - 1, b""
        for entry, frame in zip(self._entries, self._frames, strict=True):
            if sent <= 0:
                break
            sequence, unsent = entry.id.sequence, frame[sent:]
            sent -= len(frame)
        return sequence, unsent


class SubscriberGroup:
    """Subscribers of one selection; the `current` ones lack only the `pending` entries."""

    __slots__ = ("current", "members", "pending", "selection")

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self.members: set[Subscriber] = set()
        self.current: set[Subscriber] = set()
        self.pending: list[LogEntry] = []

    def take_batch(self) -> EncodedBatch:
        """Remove and encode the pending entries."""
        entries, self.pending = self.pending, []
        return EncodedBatch(entries, self.selection)

    def index_keys(self) -> Iterator[tuple[Topic, str]]:
        """Yield the keys under which the index holds this group."""
        for topic in self.selection.topics:
            yield topic, _ALL_GROUPS
            if self.selection.symbols is None:
                yield topic, _ALL_SYMBOLS
            else:
                for symbol in self.selection.symbols:
                    yield topic, symbol


class SubscriberGroups:
    """All groups, their members, and the index that routes entries to them."""

    def __init__(self) -> None:
        self._groups: defaultdict[Selection, list[SubscriberGroup]] = defaultdict(list)
        self._group_of: dict[Subscriber, SubscriberGroup] = {}
        self._index: defaultdict[tuple[Topic, str], dict[SubscriberGroup, None]] = defaultdict(dict)
        self._with_pending: dict[SubscriberGroup, None] = {}

    def add(self, subscriber: Subscriber) -> None:
        """Add a subscriber to a group of its selection, as lagging."""
        groups = self._groups[subscriber.selection]
        group = next((group for group in groups if len(group.members) < MAX_GROUP_SIZE), None)
        if group is None:
            group = SubscriberGroup(subscriber.selection)
            groups.append(group)
            for key in group.index_keys():
                self._index[key][group] = None
        group.members.add(subscriber)
        self._group_of[subscriber] = group

    def remove(self, subscriber: Subscriber) -> None:
        """Remove a subscriber, and its group if it is empty then."""
        group = self._group_of.pop(subscriber)
        group.members.discard(subscriber)
        group.current.discard(subscriber)
        if not group.members:
            self._remove_group(group)

    def _remove_group(self, group: SubscriberGroup) -> None:
        self._groups[group.selection].remove(group)
        if not self._groups[group.selection]:
            del self._groups[group.selection]
        for key in group.index_keys():
            del self._index[key][group]
            if not self._index[key]:
                del self._index[key]

    def group_of(self, subscriber: Subscriber) -> SubscriberGroup:
        """Return the group of a subscriber; raises KeyError for one that is not in any."""
        return self._group_of[subscriber]

    def route(self, entry: LogEntry) -> None:
        """Append an entry to the pending ones of each group whose selection it passes."""
        if entry.symbol is None:
            self._append(entry, (entry.topic, _ALL_GROUPS))
        else:
            self._append(entry, (entry.topic, _ALL_SYMBOLS))
            self._append(entry, (entry.topic, entry.symbol))

    def _append(self, entry: LogEntry, key: tuple[Topic, str]) -> None:
        for group in self._index.get(key, ()):
            if entry.matches(group.selection):
                group.pending.append(entry)
                self._with_pending[group] = None

    def take_pending(self) -> list[SubscriberGroup]:
        """Return the groups to which entries were routed since the last call."""
        groups = list(self._with_pending)
        self._with_pending.clear()
        return groups

    def has_subscribers(self, topic: Topic, symbol: str) -> bool:
        """Return whether any group carries a topic and symbol; callable from any thread."""
        return (topic, _ALL_SYMBOLS) in self._index or (topic, symbol) in self._index

    def subscribers(self) -> list[Subscriber]:
        """Return all subscribers."""
        return list(self._group_of)
