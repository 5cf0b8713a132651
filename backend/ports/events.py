"""The plain data that the bridge hands to the streams: one event, serialised once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from backend.schemas.topics import Topic

"""The topics whose events are in the journal before anybody is told."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, as clients see it.

    `data` is the whole JSON object of the SSE data line (`exchange`, `symbol`,
    `timestamp` and the thing under its name). A topic's snapshot is the fold
    of its events: `item` replaces what stood under `key`, and an event with
    `item` None takes `key` out (an order that ended). A candle's key ends with
    a space and its interval.
    """

    topic: Topic
    name: str
    key: str
    symbol: str | None
    data: bytes
    item: bytes | None


class EventSink(Protocol):
    """What takes the bridge's events; its methods are called from any thread, in order."""

    def publish(self, event: Event, number: int | None = None) -> None:
        """Append one event; `number` is the journal's number of one that is in the journal."""

    def load(self, topic: Topic, items: Mapping[str, tuple[str | None, bytes]]) -> None:
        """Replace a topic's snapshot (after a boot): key to (symbol, item JSON)."""

    def wants(self, topic: Topic, symbol: str) -> bool:
        """Tell whether anybody follows the topic for this symbol, for what is costly to learn."""
