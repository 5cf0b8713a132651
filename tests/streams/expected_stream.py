"""StreamChecker: compares the events of a stream with the history that was published."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from backend.ports.events import Event
from backend.schemas.topics import Topic
from backend.streams import Selection
from tests.streams.stream_client import Sse

CONFLATED = frozenset({"prices", "candles"})
SINGLE = frozenset({"portfolio", "bot"})

State = dict[str, dict[str, Any]]


@dataclass
class HistoryEntry:
    """Published event, or a topic's replacement if `key` is None."""

    topic: Topic
    key: str | None
    symbol: str | None


@dataclass
class History:
    """Everything that one start of the server published, and the state after it."""

    entries: list[HistoryEntry] = field(default_factory=list)
    state: dict[Topic, dict[str, tuple[str | None, int]]] = field(default_factory=dict)

    def publish(self, event: Event, value: int | None) -> None:
        """Append an event."""
        self.entries.append(HistoryEntry(event.topic, event.key, event.symbol))
        topic = self.state.setdefault(event.topic, {})
        if value is None:
            topic.pop(event.key, None)
        else:
            topic[event.key] = (event.symbol, value)

    def load(self, topic: Topic, values: dict[str, tuple[str | None, int]]) -> None:
        """Append a replacement of a topic."""
        self.entries.append(HistoryEntry(topic, None, None))
        self.state[topic] = dict(values)

    def state_for(self, selection: Selection) -> State:
        """Return what a client of this selection must hold in the end."""
        return {
            topic: {
                key: value
                for key, (symbol, value) in self.state.get(topic, {}).items()
                if selection.includes_symbol(symbol)
            }
            for topic in selection.topics
        }

    def last_of(self, selection: Selection) -> int:
        """Return the place of the last event of a selection."""
        return max(
            number
            for number, entry in enumerate(self.entries, 1)
            if selection.includes(entry.topic, entry.symbol)
        )

    def wanted(self, after: int, before: int, selection: Selection) -> list[HistoryEntry]:
        """Return what a client must be told between two places, both left out."""
        return [
            entry
            for number, entry in enumerate(self.entries[after : before - 1], after + 1)
            if selection.includes(entry.topic, entry.symbol) and not self._is_superseded(number)
        ]

    def _is_superseded(self, number: int) -> bool:
        entry = self.entries[number - 1]
        return entry.topic in CONFLATED and any(
            later.topic == entry.topic and later.key in (entry.key, None)
            for later in self.entries[number:]
        )


class StreamChecker:
    """Folds the events of a stream into a state, and checks each as it arrives."""

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self.state: State = {}
        self.last_id: str | None = None
        self.place: int | None = None

    def take(self, event: Sse, history: History) -> None:
        """Apply an event and compare with the history so far."""
        if event.name == "reset":
            self.state, self.place = {}, None
        elif event.id is not None:
            if self.place is not None:
                assert event.sequence > self.place, "twice or out of order"
                missing = history.wanted(self.place, event.sequence, self.selection)
                assert missing == []
            self.place, self.last_id = event.sequence, event.id
        self._apply(event, history)

    def check_final_state(self, history: History) -> None:
        """Check that the state is complete."""
        assert self.place is not None
        assert history.wanted(self.place, len(history.entries) + 1, self.selection) == []
        assert self.state == history.state_for(self.selection)

    def _apply(self, event: Sse, history: History) -> None:
        if event.name == "snapshot":
            shown = event.data["data"]
            items = shown if event.data["topic"] not in SINGLE else [shown] if shown else []
            self.state[event.data["topic"]] = {entry["key"]: entry["value"] for entry in items}
        elif event.name not in ("reset", "end"):
            topic = self.state[history.entries[event.sequence - 1].topic]
            if event.data["value"] is None:
                topic.pop(event.data["key"], None)
            else:
                topic[event.data["key"]] = event.data["value"]
