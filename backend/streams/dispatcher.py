"""Dispatcher: routes events to groups of subscribers, and lets lagging subscribers catch up.

A broadcast sends all current subscribers of a group the same bytes. A subscriber that does
not take them all lags: it continues from its own position in the log as its writer has
room, until nothing is left and it is current again. Used under the hub's lock.
"""

from __future__ import annotations

import selectors
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future

import structlog

from backend.ports.events import Event
from backend.schemas.topics import Topic
from backend.streams.encodings import Encoding
from backend.streams.event_log import EventEntry, EventLog, LogEntry, SnapshotEntry
from backend.streams.intervals import Intervals
from backend.streams.journal_reader import JournalPage
from backend.streams.replay import Replay, RequestPage
from backend.streams.selection import Items
from backend.streams.socket_send import send_to_all
from backend.streams.sse import HEARTBEAT, OPENING, EndReason, end_frame, event_frame
from backend.streams.subscriber import SelectionChange, Subscriber
from backend.streams.subscriber_groups import SubscriberGroup, SubscriberGroups
from backend.streams.topic_state import TopicState

MAX_CONTROL_BYTES = 256 * 1024
SENDS_PER_BATCH = 200  # after which other threads may run: about 1 ms

_log = structlog.get_logger(__name__)


class Dispatcher:
    """All subscribers, and the sending of events, heartbeats and control frames to them."""

    def __init__(
        self,
        log: EventLog,
        selector: selectors.BaseSelector,
        intervals: Intervals,
        request_page: RequestPage | None = None,
    ) -> None:
        """Send from a log; `request_page` reads older events from the journal."""
        self._log = log
        self._selector = selector
        self._intervals = intervals
        self._state = TopicState()
        self._replay = Replay(log, self._state, request_page)
        self._groups = SubscriberGroups()
        self._lagging: set[Subscriber] = set()
        self.published: Counter[str] = Counter()

    def append(self, event: Event, journal_number: int | None = None) -> None:
        """Append an event to the log; the next broadcast sends it."""
        self.published[event.name] += 1
        event_id = self._log.next_id(journal_number)
        frame = event_frame(event_id, event.name, event.data)
        self._state.apply(event)
        self._append(EventEntry(event_id, event.topic, event.key, event.symbol, frame))

    def replace_snapshot(self, topic: Topic, items: Items) -> None:
        """Replace a topic's items; the next broadcast sends the snapshot."""
        kept = self._state.replace(topic, items)
        self._append(SnapshotEntry(self._log.next_id(), topic, kept))

    def _append(self, entry: LogEntry) -> None:
        self._log.append(entry)
        self._groups.route(entry)

    def broadcast(self, append_new: Callable[[], None] | None = None) -> None:
        """Send every group its pending entries.

        `append_new` may append more entries after each group: groups whose turn is
        still to come send them at once, the others with the next broadcast.
        """
        for group in self._groups.take_pending():
            self._send_pending(group)
            if append_new is not None:
                append_new()

    def _send_pending(self, group: SubscriberGroup) -> None:
        if not group.pending:
            return
        batch = group.take_batch()
        for subscriber, taken in self._send_to_all(tuple(group.current), batch.data):
            self._mark_lagging(subscriber, *batch.split(taken))

    def attach(self, subscriber: Subscriber) -> None:
        """Begin a stream: resumed after the subscriber's last id if possible, else snapshots."""
        self._groups.add(subscriber)
        subscriber.is_open = True
        try:
            subscriber.writer.open(self._selector, subscriber)
        except OSError:
            self.disconnect(subscriber)
            return
        opening = subscriber.selection.encoding.encode(OPENING)
        self._mark_lagging(subscriber, self._log.head.sequence, opening)
        self._replay.start(subscriber, subscriber.resume_after)
        self.catch_up(subscriber)

    def send_control(self, subscriber: Subscriber, frames: bytes) -> None:
        """Send control frames between two events; disconnects a client that reads none of them."""
        if not subscriber.is_open or subscriber.closing_since is not None:
            return
        subscriber.control_frames += frames
        if len(subscriber.control_frames) > MAX_CONTROL_BYTES:
            self.disconnect(subscriber)
        else:
            self._resume_sending(subscriber)

    def change_selection(
        self, subscriber: Subscriber, change: SelectionChange, reply: bytes
    ) -> None:
        """Send `reply`, and change the selection once everything before has been sent."""
        subscriber.selection_changes.append(change)
        self.send_control(subscriber, reply)

    def close_after(self, subscriber: Subscriber, closing_frames: bytes) -> None:
        """Send closing frames, then disconnect."""
        if subscriber.is_open and subscriber.closing_since is None:
            subscriber.closing_frames = closing_frames
            subscriber.closing_since = time.monotonic()
            subscriber.journal_replay = None
            self._resume_sending(subscriber)

    def _resume_sending(self, subscriber: Subscriber) -> None:
        # a current subscriber is at the head only once its group has nothing pending
        self._send_pending(self._groups.group_of(subscriber))
        if subscriber.is_open and subscriber not in self._lagging:
            self._mark_lagging(subscriber, self._log.head.sequence, b"")
        self.catch_up(subscriber)

    def catch_up(self, subscriber: Subscriber) -> None:
        """Send a lagging subscriber as much as its writer accepts."""
        try:
            while self._can_send(subscriber) and self._send_unsent(subscriber):
                self._queue_next(subscriber)
        except OSError:
            self.disconnect(subscriber)

    def receive_page(self, subscriber: Subscriber, page: Future[JournalPage]) -> None:
        """Continue a subscriber that waits for a page of the journal."""
        if subscriber.journal_replay is None or not subscriber.is_open:
            return
        try:
            self._replay.receive_page(subscriber, page.result)
        except Exception:
            _log.exception("the journal could not be read for a stream, which ends")
            self.disconnect(subscriber)
            return
        subscriber.last_write_at = time.monotonic()
        subscriber.writer.notify_when_writable(True)
        self.catch_up(subscriber)

    def end_all(self, reason: EndReason) -> None:
        """End every stream."""
        for subscriber in self._groups.subscribers():
            self.end(subscriber, reason)

    def has_subscribers(self, topic: Topic, symbol: str) -> bool:
        """Return whether any stream carries a topic and symbol; callable from any thread."""
        return self._groups.has_subscribers(topic, symbol)

    def subscribers(self) -> list[Subscriber]:
        """Return all subscribers."""
        return self._groups.subscribers()

    def lagging(self) -> list[Subscriber]:
        """Return the subscribers that have not been sent everything."""
        return list(self._lagging)

    def disconnect_all(self) -> None:
        """Disconnect every subscriber without a last event."""
        for subscriber in self._groups.subscribers():
            self.disconnect(subscriber)

    def disconnect(self, subscriber: Subscriber) -> None:
        """Close a connection and free its resources; further calls do nothing."""
        if not subscriber.is_open:
            return
        subscriber.is_open = False
        self._groups.remove(subscriber)
        subscriber.unsent = b""
        self._lagging.discard(subscriber)
        subscriber.writer.close()
        subscriber.slot.release()

    def send_heartbeats(self, encoding: Encoding) -> None:
        """Send current subscribers of an encoding a heartbeat."""
        self.broadcast()  # the next event then follows the heartbeat for all
        heartbeat = encoding.encode(HEARTBEAT)
        current = [
            subscriber
            for subscriber in self._groups.subscribers()
            if subscriber.selection.encoding is encoding and subscriber not in self._lagging
        ]
        for subscriber, taken in self._send_to_all(current, heartbeat):
            self._mark_lagging(subscriber, self._log.head.sequence, heartbeat[taken:])

    def end(self, subscriber: Subscriber, reason: EndReason) -> None:
        """End a stream with a last event that gives the reason."""
        self.close_after(subscriber, subscriber.selection.encoding.encode(end_frame(reason)))

    def _send_to_all(
        self, subscribers: Sequence[Subscriber], data: bytes
    ) -> Iterator[tuple[Subscriber, int]]:
        """Send the same to all; yield those that accepted less, with how much; drop gone ones."""
        for first in range(0, len(subscribers), SENDS_PER_BATCH):
            batch = subscribers[first : first + SENDS_PER_BATCH]
            descriptors = [subscriber.writer.descriptor for subscriber in batch]
            for subscriber, taken in zip(batch, send_to_all(descriptors, data), strict=True):
                if taken == len(data):
                    continue
                now_taken = self._write(subscriber, data) if taken < 0 else taken
                if now_taken is not None and now_taken < len(data):
                    yield subscriber, now_taken

    def _write(self, subscriber: Subscriber, data: bytes) -> int | None:
        """Return how much the client accepted, None if it is gone and was disconnected."""
        try:
            return subscriber.writer.write(data)
        except OSError:
            self.disconnect(subscriber)
            return None

    def _mark_lagging(self, subscriber: Subscriber, sequence: int, unsent: bytes) -> None:
        subscriber.sequence, subscriber.unsent = sequence, unsent
        subscriber.lagging_since = subscriber.last_write_at = time.monotonic()
        self._groups.group_of(subscriber).current.discard(subscriber)
        self._lagging.add(subscriber)
        subscriber.writer.notify_when_writable(True)

    def _mark_current(self, subscriber: Subscriber) -> None:
        group = self._groups.group_of(subscriber)
        self._send_pending(group)  # to the others: this one has read the entries from the log
        subscriber.writer.notify_when_writable(False)
        self._lagging.discard(subscriber)
        group.current.add(subscriber)

    def _send_unsent(self, subscriber: Subscriber) -> bool:
        """Send the rest that the writer did not accept before; return whether all of it is sent."""
        if subscriber.unsent:
            sent = subscriber.writer.write(subscriber.unsent)
            if sent:
                subscriber.last_write_at = time.monotonic()
            subscriber.unsent = subscriber.unsent[sent:]
        return not subscriber.unsent

    def _queue_next(self, subscriber: Subscriber) -> None:
        """Queue the next entries; with nothing left, mark as current or, if closing, disconnect."""
        if subscriber.control_frames:
            subscriber.unsent, subscriber.control_frames = subscriber.control_frames, b""
        elif subscriber.closing_frames:
            subscriber.unsent, subscriber.closing_frames = subscriber.closing_frames, b""
        elif subscriber.closing_since is not None:
            self.disconnect(subscriber)
        elif subscriber.journal_replay is not None:
            self._replay.continue_from_journal(subscriber, subscriber.journal_replay)
        elif subscriber.sequence != self._log.head.sequence:
            lag_s = time.monotonic() - subscriber.lagging_since
            conflate = lag_s > self._intervals.conflate_after_s
            self._replay.continue_from_log(subscriber, conflate=conflate)
        elif subscriber.selection_changes:
            self._apply_selection(subscriber, subscriber.selection_changes.pop(0))
        else:
            self._mark_current(subscriber)

    def _can_send(self, subscriber: Subscriber) -> bool:
        return subscriber in self._lagging and not (
            subscriber.journal_replay and subscriber.journal_replay.is_waiting
        )

    def _apply_selection(self, subscriber: Subscriber, change: SelectionChange) -> None:
        """Change a selection: resumed after an id, or with snapshots of the added topics."""
        previous = subscriber.selection
        self._groups.remove(subscriber)
        subscriber.selection = change.selection
        self._groups.add(subscriber)
        if change.resume_after is not None:
            self._replay.start(subscriber, change.resume_after)
        else:
            subscriber.unsent = self._replay.encode_added(subscriber, previous)
