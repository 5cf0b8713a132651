"""What a client is sent from its place on: from the log, else from the journal, else anew.

The journal is read a page at a time, at the pace at which the client takes the pages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from backend.errors import EventsGone
from backend.schemas.topics import JOURNALLED
from backend.streams.event_log import EventLog, Selection
from backend.streams.journal_reader import JournalPage, JournalQuery
from backend.streams.sse import EventId, reset_frame
from backend.streams.subscriber import JournalReplay, Subscriber
from backend.streams.topic_state import TopicState

LookUp = Callable[[Subscriber, JournalQuery], None]


class Replay:
    """Composes what those who are not current are sent next. Used by whoever has the hub's turn."""

    def __init__(self, log: EventLog, fold: TopicState, look_up: LookUp | None) -> None:
        """What the log no longer holds comes from where `look_up` has it read."""
        self._log = log
        self._fold = fold
        self._look_up = look_up

    def begin(self, client: Subscriber, place: EventId | None) -> None:
        """Set a client on its place; without one it begins with snapshots."""
        client.sequence = self._log.head.sequence
        if place is None:
            client.rest += self._spell_state(client)
        elif self._log.holds(place, client.selection):
            client.sequence = place.sequence
        else:
            self._recall(client, place)

    def go_on(self, client: Subscriber, *, conflate: bool) -> None:
        """Compose what follows a client's place in the log."""
        place = self._log.head._replace(sequence=client.sequence)
        if self._log.holds(place, client.selection):
            client.rest, client.sequence = self._log.chunk(
                client.sequence, client.selection, conflate=conflate
            )
        else:
            self._recall(client, place)

    def ask(self, client: Subscriber, recall: JournalReplay) -> None:
        """Have the journal read on; at its end, spell the topics that it does not hold."""
        head, selection = self._log.head, client.selection
        if recall.number == head.number:
            others = tuple(topic for topic in selection.topics if topic not in JOURNALLED)
            rest = replace(selection, topics=others)
            client.rest = rest.form.dress(self._fold.snapshots(head, rest))
            client.recall, client.sequence = None, head.sequence
        elif self._look_up is not None:
            recall.is_waiting = True
            client.writer.ask_for_room(False)
            topics = tuple(topic for topic in selection.topics if topic in JOURNALLED)
            self._look_up(client, JournalQuery(topics, recall.number, head.number))

    def take(self, client: Subscriber, page: Callable[[], JournalPage]) -> None:
        """Go on with a page of the journal; raises what `page` raises unless that is a gap."""
        try:
            found = page()
        except EventsGone:
            self._reset(client)
        else:
            client.rest = client.selection.form.dress(found.spell(client.selection))
            client.recall = JournalReplay(found.reached)

    def spell_new(self, client: Subscriber, before: Selection) -> bytes:
        """Spell what of a client's selection it was not told of by another one."""
        new = client.selection.beyond(before)
        return new.form.dress(self._fold.snapshots(self._log.head, new))

    def _recall(self, client: Subscriber, place: EventId) -> None:
        """Let a client whose place the log has lost go on in the journal if that can know."""
        has_journalled = not JOURNALLED.isdisjoint(client.selection.topics)
        if self._look_up is not None and has_journalled and self._log.may_be_recalled(place):
            client.recall = JournalReplay(place.number)
        else:
            self._reset(client)

    def _reset(self, client: Subscriber) -> None:
        client.rest += client.selection.form.dress(reset_frame()) + self._spell_state(client)
        client.recall, client.sequence = None, self._log.head.sequence

    def _spell_state(self, client: Subscriber) -> bytes:
        """Spell all topics of a client as they stand at the head."""
        return client.selection.form.dress(self._fold.snapshots(self._log.head, client.selection))
