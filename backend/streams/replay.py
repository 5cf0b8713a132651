"""Replay for subscribers that are not current: from the log, else the journal, else snapshots.

The journal is read page by page, at the pace at which the subscriber takes the pages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from backend.errors import EventsGone
from backend.schemas.topics import JOURNALLED
from backend.streams.event_log import EventLog
from backend.streams.journal_reader import JournalPage, JournalQuery
from backend.streams.selection import Selection
from backend.streams.sse import EventId, reset_frame
from backend.streams.subscriber import JournalReplay, Subscriber
from backend.streams.topic_state import TopicState

RequestPage = Callable[[Subscriber, JournalQuery], None]


class Replay:
    """Fills `unsent` of lagging subscribers with the next entries. Used under the hub's lock."""

    def __init__(self, log: EventLog, state: TopicState, request_page: RequestPage | None) -> None:
        """Replay from a log; `request_page` reads the journal, None if there is none."""
        self._log = log
        self._state = state
        self._request_page = request_page

    def start(self, subscriber: Subscriber, after: EventId | None) -> None:
        """Resume after an id, or begin with snapshots if it is None."""
        subscriber.sequence = self._log.head.sequence
        if after is None:
            subscriber.unsent += self._encode_snapshots(subscriber)
        elif self._log.can_resume(after, subscriber.selection):
            subscriber.sequence = after.sequence
        else:
            self._start_journal_replay(subscriber, after)

    def continue_from_log(self, subscriber: Subscriber, *, conflate: bool) -> None:
        """Queue the next chunk of the log after the subscriber's sequence."""
        after = self._log.head._replace(sequence=subscriber.sequence)
        if self._log.can_resume(after, subscriber.selection):
            subscriber.unsent, subscriber.sequence = self._log.encode_after(
                subscriber.sequence, subscriber.selection, conflate=conflate
            )
        else:
            self._start_journal_replay(subscriber, after)

    def continue_from_journal(self, subscriber: Subscriber, progress: JournalReplay) -> None:
        """Request the next page of the journal; at its end queue snapshots of the other topics."""
        head, selection = self._log.head, subscriber.selection
        if progress.journal_number == head.journal_number:
            others = tuple(topic for topic in selection.topics if topic not in JOURNALLED)
            rest = replace(selection, topics=others)
            subscriber.unsent = rest.encoding.encode(self._state.snapshot_frames(head, rest))
            subscriber.journal_replay, subscriber.sequence = None, head.sequence
        elif self._request_page is not None:
            progress.is_waiting = True
            subscriber.writer.notify_when_writable(False)
            topics = tuple(topic for topic in selection.topics if topic in JOURNALLED)
            query = JournalQuery(topics, progress.journal_number, head.journal_number)
            self._request_page(subscriber, query)

    def receive_page(self, subscriber: Subscriber, result: Callable[[], JournalPage]) -> None:
        """Queue a page of the journal, or a reset if `result` raises `EventsGone`."""
        try:
            page = result()
        except EventsGone:
            self._reset(subscriber)
        else:
            selection = subscriber.selection
            subscriber.unsent = selection.encoding.encode(page.frames_for(selection))
            subscriber.journal_replay = JournalReplay(page.reached)

    def encode_added(self, subscriber: Subscriber, previous: Selection) -> bytes:
        """Encode snapshots of the topics that a subscriber's selection has in addition."""
        added = subscriber.selection.added_to(previous)
        return added.encoding.encode(self._state.snapshot_frames(self._log.head, added))

    def _start_journal_replay(self, subscriber: Subscriber, after: EventId) -> None:
        """Continue from the journal if it can hold every missing event, else reset."""
        has_journalled = not JOURNALLED.isdisjoint(subscriber.selection.topics)
        if (
            self._request_page is not None
            and has_journalled
            and self._log.can_replay_from_journal(after)
        ):
            subscriber.journal_replay = JournalReplay(after.journal_number)
        else:
            self._reset(subscriber)

    def _reset(self, subscriber: Subscriber) -> None:
        reset = subscriber.selection.encoding.encode(reset_frame())
        subscriber.unsent += reset + self._encode_snapshots(subscriber)
        subscriber.journal_replay, subscriber.sequence = None, self._log.head.sequence

    def _encode_snapshots(self, subscriber: Subscriber) -> bytes:
        """Encode snapshots of all of a subscriber's topics, as of the head."""
        selection = subscriber.selection
        return selection.encoding.encode(self._state.snapshot_frames(self._log.head, selection))
