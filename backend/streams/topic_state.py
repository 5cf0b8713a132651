"""TopicState: each topic's present items, folded from its events; the source of snapshots."""

from __future__ import annotations

from typing import get_args

from backend.ports.events import Event
from backend.schemas.topics import Topic
from backend.streams.selection import Items, Selection, select_items
from backend.streams.sse import EventId, snapshot_frame

MAX_RECENT_ITEMS = 100
_UNBOUNDED: frozenset[Topic] = frozenset({"trades", "notifications", "logs"})


class TopicState:
    """Items of each topic after all events so far; of unbounded topics only the newest 100."""

    def __init__(self) -> None:
        self._topics: dict[Topic, dict[str, tuple[str | None, bytes]]] = {
            topic: {} for topic in get_args(Topic)
        }

    def apply(self, event: Event) -> None:
        """Fold one event in."""
        items = self._topics[event.topic]
        if event.item is None:
            items.pop(event.key, None)
            return
        if event.topic in _UNBOUNDED:
            items.pop(event.key, None)  # the newest item comes last
        items[event.key] = (event.symbol, event.item)
        if event.topic in _UNBOUNDED and len(items) > MAX_RECENT_ITEMS:
            del items[next(iter(items))]

    def replace(self, topic: Topic, items: Items) -> Items:
        """Replace a topic's items and return a copy of those that are kept."""
        newest = list(items.items())
        self._topics[topic] = dict(newest[-MAX_RECENT_ITEMS:] if topic in _UNBOUNDED else newest)
        return dict(self._topics[topic])

    def snapshot_frames(self, event_id: EventId, selection: Selection) -> bytes:
        """Build a snapshot of each topic of a selection, joined.

        Only the last one carries the id: a client that loses the connection in between
        has no id yet that would skip the remaining snapshots.
        """
        last = selection.topics[-1] if selection.topics else None
        return b"".join(
            snapshot_frame(
                event_id if topic == last else None,
                topic,
                select_items(topic, self._topics[topic], selection),
            )
            for topic in selection.topics
        )
