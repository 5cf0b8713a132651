"""Selection: the topics, symbols and candle intervals that a stream carries, and its encoding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from backend.schemas.topics import Topic
from backend.streams.encodings import SSE, Encoding

Items = Mapping[str, tuple[str | None, bytes]]
"""A topic's items: key to (symbol, JSON)."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Filter of a stream: its topics and, unless None, only these symbols and intervals.

    Items without a symbol (portfolio, bot) pass every symbol filter, items that are
    no candles every interval filter.
    """

    topics: tuple[Topic, ...]
    symbols: frozenset[str] | None = None
    encoding: Encoding = SSE
    intervals: frozenset[str] | None = None

    def includes(self, topic: Topic, symbol: str | None) -> bool:
        """Return whether events of a topic and symbol pass."""
        return topic in self.topics and self.includes_symbol(symbol)

    def includes_symbol(self, symbol: str | None) -> bool:
        """Return whether a symbol passes."""
        return self.symbols is None or symbol is None or symbol in self.symbols

    def includes_key(self, topic: Topic, key: str) -> bool:
        """Return whether an item's interval passes; an item that is no candle always does."""
        if topic != "candles" or self.intervals is None:
            return True
        return key.rpartition(" ")[2] in self.intervals

    def added_to(self, previous: Selection) -> Selection:
        """Return the part of this selection that the previous one did not carry."""
        if (self.symbols, self.intervals) != (previous.symbols, previous.intervals):
            return self
        added = tuple(topic for topic in self.topics if topic not in previous.topics)
        return replace(self, topics=added)


def select_items(topic: Topic, items: Items, selection: Selection) -> Iterator[bytes]:
    """Yield the JSON of a topic's items that pass a selection."""
    return (
        item
        for key, (symbol, item) in items.items()
        if selection.includes_symbol(symbol) and selection.includes_key(topic, key)
    )
