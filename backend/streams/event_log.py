"""The newest events in order: two rings, and the newest live event of each key.

Prices and their like have a ring of their own, so that a flood of them never
pushes out an order: a client's place is lost only when the ledger ring has
dropped something after it that the client wants. Used by whoever has the hub's turn.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from operator import attrgetter

from backend.schemas.topics import JOURNALLED, Topic
from backend.streams.encodings import SSE, Encoding
from backend.streams.sse import EventId, first_place, snapshot_frame

Items = Mapping[str, tuple[str | None, bytes]]

CHUNK_BYTES = 64 * 1024

_LIVE: frozenset[Topic] = frozenset({"prices", "candles", "order_book", "logs"})
_sequence = attrgetter("id.sequence")


@dataclass(frozen=True, slots=True)
class Selection:
    """What a stream carries: its topics and, unless None, only these symbols and intervals.

    What has no symbol (portfolio, bot) passes every choice of symbols, and what
    is no candle every choice of intervals. `form` is how the events are spelled
    on the connection.
    """

    topics: tuple[Topic, ...]
    symbols: frozenset[str] | None = None
    form: Encoding = SSE
    intervals: frozenset[str] | None = None

    def takes(self, topic: Topic, symbol: str | None) -> bool:
        """Tell whether events of a topic and symbol belong to the stream."""
        return topic in self.topics and self.takes_symbol(symbol)

    def beyond(self, other: Selection) -> Selection:
        """Return the part of this one that a client of the other has not been told of."""
        if (self.symbols, self.intervals) != (other.symbols, other.intervals):
            return self
        new = tuple(topic for topic in self.topics if topic not in other.topics)
        return replace(self, topics=new)

    def takes_symbol(self, symbol: str | None) -> bool:
        """Tell whether the symbol is one of the chosen."""
        return self.symbols is None or symbol is None or symbol in self.symbols

    def takes_key(self, topic: Topic, key: str) -> bool:
        """Tell whether an item, if it is a candle, has one of the chosen intervals."""
        if topic != "candles" or self.intervals is None:
            return True
        return key.rpartition(" ")[2] in self.intervals


@dataclass(frozen=True, slots=True)
class Change:
    """One event in its place, spelled once for all clients."""

    id: EventId
    topic: Topic
    key: str
    symbol: str | None
    frame: bytes

    @property
    def is_written(self) -> bool:
        """Tell whether the journal holds it: then its place is made of its number there."""
        return self.id.sequence == first_place(self.id.number)

    def spell(self, _selection: Selection) -> bytes:
        """Return the event as the client gets it."""
        return self.frame

    def is_for(self, selection: Selection) -> bool:
        """Tell whether a selection that takes topic and symbol takes this."""
        return selection.takes_key(self.topic, self.key)


@dataclass(frozen=True, slots=True)
class Reload:
    """A topic replaced as a whole, after the bot's start: a snapshot in its place."""

    id: EventId
    topic: Topic
    items: Items
    symbol: None = None

    def spell(self, selection: Selection) -> bytes:
        """Return the snapshot as a client of this selection gets it."""
        return snapshot_frame(self.id, self.topic, chosen(self.topic, self.items, selection))

    def is_for(self, _selection: Selection) -> bool:
        """Tell whether a selection that takes topic and symbol takes this."""
        return True


Entry = Change | Reload


def chosen(topic: Topic, items: Items, selection: Selection) -> Iterator[bytes]:
    """Pick the items of a topic that a selection takes."""
    return (
        item
        for key, (symbol, item) in items.items()
        if selection.takes_symbol(symbol) and selection.takes_key(topic, key)
    )


class EventLog:
    """What can be replayed."""

    def __init__(self, start: str, capacity: int, number: int = 0) -> None:
        """Begin after the journal's event with this number."""
        self.head = EventId(start, first_place(number))
        self._began = self.head.sequence
        self._ledger: deque[Entry] = deque(maxlen=capacity)
        self._live: deque[Entry] = deque(maxlen=capacity)
        self._lost: dict[Topic, int] = {}
        self._live_lost = 0
        self._unwritten_lost = 0
        self._newest: dict[tuple[Topic, str], Change] = {}

    def next_id(self, number: int | None = None) -> EventId:
        """Advance the head and return it; `number` is that of a journalled event."""
        self.head = self.head.following(number)
        return self.head

    def append(self, entry: Entry) -> None:
        """Keep an entry; the oldest of its ring goes when the ring is full."""
        if isinstance(entry, Change) and entry.topic in _LIVE:
            self._newest[entry.topic, entry.key] = entry
            if len(self._live) == self._live.maxlen:
                self._live_lost = self._live[0].id.sequence
            self._live.append(entry)
            return
        if len(self._ledger) == self._ledger.maxlen:
            oldest = self._ledger[0]
            self._lost[oldest.topic] = oldest.id.sequence
            if oldest.topic in JOURNALLED and isinstance(oldest, Change) and not oldest.is_written:
                self._unwritten_lost = oldest.id.sequence
        self._ledger.append(entry)

    def holds(self, place: EventId, selection: Selection) -> bool:
        """Tell whether a client can go on from a place without missing what must not be lost."""
        known = place.start == self.head.start and place.sequence <= self.head.sequence
        return known and all(
            place.sequence >= self._lost.get(topic, self._began) for topic in selection.topics
        )

    def may_be_recalled(self, place: EventId) -> bool:
        """Tell whether the journal can know all that followed a place.

        It cannot for an id that was never given out, nor when something was lost from
        here that could not be written there.
        """
        if place.start == self.head.start:
            return self._unwritten_lost <= place.sequence <= self.head.sequence
        return place.number <= self.head.number

    def chunk(self, sequence: int, selection: Selection, *, conflate: bool) -> tuple[bytes, int]:
        """Spell what follows a place, up to a bound, and say how far that reaches."""
        frames, size = [], 0
        for entry in self.after(sequence, selection, conflate=conflate):
            frames.append(selection.form.dress(entry.spell(selection)))
            size += len(frames[-1])
            if size >= CHUNK_BYTES:
                return b"".join(frames), entry.id.sequence
        return b"".join(frames), self.head.sequence

    def after(self, sequence: int, selection: Selection, *, conflate: bool) -> Iterator[Entry]:
        """Yield in order what follows a place that the log holds.

        Prices and candles come one by one; only the newest of each key, where it
        stands, with `conflate` or when their ring no longer reaches back far enough.
        """
        live: Iterable[Entry]
        if conflate or sequence < self._live_lost:
            newer = (entry for entry in self._newest.values() if entry.id.sequence > sequence)
            live = sorted(newer, key=_sequence)
        else:
            live = _after(self._live, sequence)
        merged = heapq.merge(_after(self._ledger, sequence), live, key=_sequence)
        return (
            entry
            for entry in merged
            if selection.takes(entry.topic, entry.symbol) and entry.is_for(selection)
        )


def _after(ring: deque[Entry], sequence: int) -> Iterator[Entry]:
    return islice(ring, bisect_right(ring, sequence, key=_sequence), None)
