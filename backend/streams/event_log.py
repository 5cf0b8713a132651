"""In-memory event log: bounded rings of the newest events, from which streams resume.

Conflatable topics (prices, candles, order books, log lines) have a ring of their own, so that a
flood of them never evicts an order: a stream can be resumed until the lossless ring
evicts an event of its topics. Used under the hub's lock.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter

from backend.schemas.topics import JOURNALLED, Topic
from backend.streams.selection import Items, Selection, select_items
from backend.streams.sse import EventId, journalled_sequence, snapshot_frame

CHUNK_BYTES = 64 * 1024

_CONFLATABLE: frozenset[Topic] = frozenset({"prices", "candles", "order_book", "logs"})
_sequence = attrgetter("id.sequence")


@dataclass(frozen=True, slots=True)
class EventEntry:
    """Logged event, its frame encoded once for all subscribers."""

    id: EventId
    topic: Topic
    key: str
    symbol: str | None
    frame: bytes

    @property
    def is_journalled(self) -> bool:
        """Whether the journal holds the event: its sequence then contains its number there."""
        return self.id.sequence == journalled_sequence(self.id.journal_number)

    def frame_for(self, _selection: Selection) -> bytes:
        """Return the event's frame."""
        return self.frame

    def matches(self, selection: Selection) -> bool:
        """Return whether the event passes a selection that includes its topic and symbol."""
        return selection.includes_key(self.topic, self.key)


@dataclass(frozen=True, slots=True)
class SnapshotEntry:
    """Replacement of a whole topic after the bot's start, sent as a snapshot."""

    id: EventId
    topic: Topic
    items: Items
    symbol: None = None

    def frame_for(self, selection: Selection) -> bytes:
        """Return the snapshot's frame for a selection."""
        return snapshot_frame(self.id, self.topic, select_items(self.topic, self.items, selection))

    def matches(self, _selection: Selection) -> bool:
        """Return True: a snapshot concerns every selection that includes its topic."""
        return True


LogEntry = EventEntry | SnapshotEntry


class EventLog:
    """Bounded log of the newest entries, one ring for lossless and one for conflatable topics."""

    def __init__(self, start: str, capacity: int, journal_number: int = 0) -> None:
        """Begin after the journal's event with this number; `start` names the server's start."""
        self.head = EventId(start, journalled_sequence(journal_number))
        self._first_sequence = self.head.sequence
        self._lossless: deque[LogEntry] = deque(maxlen=capacity)
        self._conflatable: deque[LogEntry] = deque(maxlen=capacity)
        self._evicted: dict[Topic, int] = {}
        self._conflatable_evicted = 0
        self._unjournalled_evicted = 0
        self._latest: dict[tuple[Topic, str], EventEntry] = {}

    def next_id(self, journal_number: int | None = None) -> EventId:
        """Advance the head and return it; `journal_number` is that of a journalled event."""
        self.head = self.head.successor(journal_number)
        return self.head

    def append(self, entry: LogEntry) -> None:
        """Append an entry, evicting the oldest of a full ring."""
        if isinstance(entry, EventEntry) and entry.topic in _CONFLATABLE:
            self._latest[entry.topic, entry.key] = entry
            if len(self._conflatable) == self._conflatable.maxlen:
                self._conflatable_evicted = self._conflatable[0].id.sequence
            self._conflatable.append(entry)
            return
        if len(self._lossless) == self._lossless.maxlen:
            self._note_evicted(self._lossless[0])
        self._lossless.append(entry)

    def _note_evicted(self, entry: LogEntry) -> None:
        self._evicted[entry.topic] = entry.id.sequence
        if entry.topic in JOURNALLED and isinstance(entry, EventEntry) and not entry.is_journalled:
            self._unjournalled_evicted = entry.id.sequence

    def can_resume(self, after: EventId, selection: Selection) -> bool:
        """Return whether every lossless event of a selection after an id is still in the log."""
        known = after.start == self.head.start and after.sequence <= self.head.sequence
        return known and all(
            after.sequence >= self._evicted.get(topic, self._first_sequence)
            for topic in selection.topics
        )

    def can_replay_from_journal(self, after: EventId) -> bool:
        """Return whether the journal can hold every journalled event after an id.

        It cannot for an id that was never issued, nor after the log has evicted an
        event that could not be written to the journal.
        """
        if after.start == self.head.start:
            return self._unjournalled_evicted <= after.sequence <= self.head.sequence
        return after.journal_number <= self.head.journal_number

    def encode_after(
        self, sequence: int, selection: Selection, *, conflate: bool
    ) -> tuple[bytes, int]:
        """Encode about `CHUNK_BYTES` of the next entries; return them and the last sequence."""
        frames, size = [], 0
        for entry in self.entries_after(sequence, selection, conflate=conflate):
            frames.append(selection.encoding.encode(entry.frame_for(selection)))
            size += len(frames[-1])
            if size >= CHUNK_BYTES:
                return b"".join(frames), entry.id.sequence
        return b"".join(frames), self.head.sequence

    def entries_after(
        self, sequence: int, selection: Selection, *, conflate: bool
    ) -> Iterator[LogEntry]:
        """Yield in order the entries of a selection that follow a sequence.

        With `conflate`, or when the conflatable ring no longer reaches back far enough,
        only the latest event of each key in that ring's topics.
        """
        conflatable: Iterable[LogEntry]
        if conflate or sequence < self._conflatable_evicted:
            newer = (entry for entry in self._latest.values() if entry.id.sequence > sequence)
            conflatable = sorted(newer, key=_sequence)
        else:
            conflatable = _after(self._conflatable, sequence)
        merged = heapq.merge(_after(self._lossless, sequence), conflatable, key=_sequence)
        return (
            entry
            for entry in merged
            if selection.includes(entry.topic, entry.symbol) and entry.matches(selection)
        )


def _after(ring: deque[LogEntry], sequence: int) -> Iterator[LogEntry]:
    return islice(ring, bisect_right(ring, sequence, key=_sequence), None)
