"""How a client is told what the log no longer holds: from the journal, page by page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from backend.schemas.events import JOURNALLED
from backend.streams.archive import Question
from backend.streams.client import Client, Recall
from backend.streams.fold import Fold
from backend.streams.frames import EventId
from backend.streams.log import Log, Selection

LookUp = Callable[[Client, Question], None]


class Recalls:
    """Asks the journal for those who were away. Used by the hub's thread alone."""

    def __init__(self, log: Log, fold: Fold, look_up: LookUp | None) -> None:
        self._log = log
        self._fold = fold
        self._look_up = look_up

    def can_begin(self, place: EventId, selection: Selection) -> bool:
        """Tell whether the journal can know what followed a place."""
        has_journalled = not JOURNALLED.isdisjoint(selection.topics)
        return self._look_up is not None and has_journalled and self._log.may_have_given(place)

    def go_on(self, client: Client, recall: Recall) -> None:
        """Have the journal read on; at its end, spell the topics that it does not hold."""
        head, selection = self._log.head, client.selection
        if recall.number == head.number:
            others = tuple(topic for topic in selection.topics if topic not in JOURNALLED)
            rest = replace(selection, topics=others)
            client.rest = rest.form.dress(self._fold.snapshots(head, rest))
            client.recall, client.sequence = None, head.sequence
        elif self._look_up is not None:
            recall.is_waiting = True
            client.outlet.ask_for_room(False)
            topics = tuple(topic for topic in selection.topics if topic in JOURNALLED)
            self._look_up(client, Question(topics, recall.number, head.number))
