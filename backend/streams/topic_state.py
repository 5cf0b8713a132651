"""Each topic as it stands: the fold of its events, from which snapshots are made."""

from __future__ import annotations

from typing import get_args

from backend.ports.events import Event
from backend.schemas.topics import Topic
from backend.streams.event_log import Items, Selection, chosen
from backend.streams.sse import EventId, snapshot_frame

MOST_SHOWN = 100
_ENDLESS: frozenset[Topic] = frozenset({"trades", "notifications", "logs"})


class TopicState:
    """The state after all events so far. Of what never ends, such as trades, the newest hundred."""

    def __init__(self) -> None:
        self._topics: dict[Topic, dict[str, tuple[str | None, bytes]]] = {
            topic: {} for topic in get_args(Topic)
        }

    def apply(self, event: Event) -> None:
        """Take one event in."""
        items = self._topics[event.topic]
        if event.item is None:
            items.pop(event.key, None)
            return
        if event.topic in _ENDLESS:
            items.pop(event.key, None)  # the newest stands last
        items[event.key] = (event.symbol, event.item)
        if event.topic in _ENDLESS and len(items) > MOST_SHOWN:
            del items[next(iter(items))]

    def replace(self, topic: Topic, items: Items) -> Items:
        """Replace a topic's state and return what it now is."""
        newest = list(items.items())
        self._topics[topic] = dict(newest[-MOST_SHOWN:] if topic in _ENDLESS else newest)
        return dict(self._topics[topic])

    def snapshots(self, at: EventId, selection: Selection) -> bytes:
        """Spell a snapshot of each topic of a selection, in one piece.

        Only the last bears the id: who loses the connection before it arrives has
        no place yet that leaves out the others.
        """
        last = selection.topics[-1] if selection.topics else None
        return b"".join(
            snapshot_frame(
                at if topic == last else None, topic, chosen(topic, self._topics[topic], selection)
            )
            for topic in selection.topics
        )
