"""Event, serialised once by the bridge, and EventSink, the Protocol that publishes events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from backend.schemas.topics import Topic


@dataclass(frozen=True, slots=True)
class Event:
    """Immutable event with its JSON already encoded.

    `data` is the whole JSON object of the SSE data line (`exchange`, `symbol`,
    `timestamp` and the payload under its name). A topic's snapshot is the fold
    of its events: `item` replaces the item under `key`, and an event whose
    `item` is None removes `key` (an order that ended). A candle's key ends with
    a space and its interval.
    """

    topic: Topic
    name: str
    key: str
    symbol: str | None
    data: bytes
    item: bytes | None


class EventSink(Protocol):
    """Consumer of the bridge's events; its methods are called from any thread, in order."""

    def publish(self, event: Event, journal_number: int | None = None) -> None:
        """Append an event; `journal_number` is its number if the journal holds it."""

    def replace_snapshot(self, topic: Topic, items: Mapping[str, tuple[str | None, bytes]]) -> None:
        """Replace a topic's snapshot (after a boot): key to (symbol, item JSON)."""

    def has_subscribers(self, topic: Topic, symbol: str) -> bool:
        """Return whether any stream carries the topic and symbol; called before costly fetches."""
