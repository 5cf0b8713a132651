"""Who gets what and when: each event to its groups, each client from its place in the log.

A wave sends all current clients of a group the same bytes. Whoever cannot take
them lags: it goes on alone from its place in the log as its outlet has room,
until nothing is left and it is current again. Used by the hub's thread alone.
"""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

import structlog

from backend.errors import EventsGone
from backend.schemas.events import JOURNALLED, Event, Topic
from backend.streams.archive import Page, Question
from backend.streams.client import Client, Recall
from backend.streams.fold import Fold
from backend.streams.frames import (
    HEARTBEAT,
    OPENING,
    EndReason,
    EventId,
    end_frame,
    event_frame,
    reset_frame,
)
from backend.streams.groups import Groups
from backend.streams.log import Change, Entry, Items, Log, Reload, Selection

CHUNK_BYTES = 64 * 1024

LookUp = Callable[[Client, Question], None]
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """What streams do by the clock, in seconds."""

    heartbeat_s: float = 15.0
    check_s: float = 2.0  # between looks at whether tokens are still good
    slow_s: float = 1.0  # behind for so long: gets the newest prices only
    stalled_s: float = 60.0  # took nothing for so long: closed
    farewell_s: float = 1.0  # time for an ended stream to take its last event


class Delivery:
    """All streams and what they are sent."""

    def __init__(
        self,
        log: Log,
        selector: selectors.BaseSelector,
        pace: Pace,
        look_up: LookUp | None = None,
    ) -> None:
        """Deliver from a log; what it no longer holds comes from where `look_up` has it read."""
        self._log = log
        self._look_up = look_up
        self._selector = selector
        self._pace = pace
        self._fold = Fold()
        self._groups = Groups()
        self._lagging: set[Client] = set()
        self._next_heartbeat = time.monotonic() + pace.heartbeat_s
        self._next_check = time.monotonic() + pace.check_s

    def take(self, event: Event, number: int | None = None) -> None:
        """Give an event its place; the next wave carries it."""
        event_id = self._log.next_id(number)
        frame = event_frame(event_id, event.name, event.data)
        self._fold.apply(event)
        self._note(Change(event_id, event.topic, event.key, event.symbol, frame))

    def reload(self, topic: Topic, items: Items) -> None:
        """Replace a topic; the next wave carries its snapshot."""
        kept = self._fold.replace(topic, items)
        self._note(Reload(self._log.next_id(), topic, kept))

    def _note(self, entry: Entry) -> None:
        self._log.append(entry)
        self._groups.route(entry)

    def send_wave(self) -> None:
        """Send what was noted since the last wave."""
        for group in self._groups.take_touched():
            wave = group.take_wave()
            for client in tuple(group.current):
                sent = self._write(client, wave.data)
                if sent is not None and sent < len(wave.data):
                    self._start_lagging(client, *wave.split(sent))

    def attach(self, client: Client) -> None:
        """Begin a stream: from the client's place if it can be resumed, else with snapshots."""
        self._groups.join(client)
        client.is_open = True
        try:
            client.outlet.open(self._selector, client)
        except OSError:
            self.drop(client)
            return
        if client.place is not None and self._log.holds(client.place, client.selection):
            self._start_lagging(client, client.place.sequence, OPENING)
        elif client.place is not None and self._can_recall(client.place, client.selection):
            client.recall = Recall(client.place.number)
            self._start_lagging(client, self._log.head.sequence, OPENING)
        else:
            beginning = self._spell_beginning(client, reset=client.place is not None)
            self._start_lagging(client, self._log.head.sequence, OPENING + beginning)
        self.catch_up(client)

    def catch_up(self, client: Client) -> None:
        """Send a client that lags as much as it takes."""
        try:
            while self._may_send(client) and self._send_rest(client):
                self._find_more(client)
        except OSError:
            self.drop(client)

    def take_page(self, client: Client, answer: Future[Page]) -> None:
        """Go on with a client that waits for a page of the journal."""
        recall = client.recall
        if recall is None or not client.is_open:
            return
        try:
            page = answer.result()
        except EventsGone:
            client.recall = None
            client.rest = self._spell_beginning(client, reset=True)
            client.sequence = self._log.head.sequence
        except Exception:
            _log.exception("the journal could not be read for a stream, which ends")
            self.drop(client)
            return
        else:
            client.rest = page.spell(client.selection)
            client.recall = Recall(page.reached)
        client.took_at = time.monotonic()
        client.outlet.ask_for_room(True)
        self.catch_up(client)

    def end_all(self, reason: EndReason) -> None:
        """End every stream."""
        for client in self._groups.clients():
            self._end(client, reason)

    def clients(self) -> list[Client]:
        """Return everyone who has a stream."""
        return self._groups.clients()

    def drop_all(self) -> None:
        """Forget everyone without a word."""
        for client in self._groups.clients():
            self.drop(client)

    def drop(self, client: Client) -> None:
        """Forget a client and free all that it holds; the second call does nothing."""
        if not client.is_open:
            return
        client.is_open = False
        self._groups.leave(client)
        client.rest = b""
        self._lagging.discard(client)
        client.outlet.close()
        client.seat.give_back()

    def keep_time(self) -> None:
        """Do what is due: give up who takes nothing, end who lost access, send heartbeats."""
        now = time.monotonic()
        for client in list(self._lagging):
            ended = client.ended_at is not None
            patience_s = self._pace.farewell_s if ended else self._pace.stalled_s
            if now - (client.ended_at or client.took_at) > patience_s:
                self.drop(client)
        if now >= self._next_check:
            self._next_check = now + self._pace.check_s
            self._check_access()
        if now >= self._next_heartbeat:
            self._next_heartbeat = now + self._pace.heartbeat_s
            self._send_heartbeats()

    def _check_access(self) -> None:
        for client in self._groups.clients():
            reason = client.holder.lost_access()
            if reason is not None:
                self._end(client, reason)

    def _send_heartbeats(self) -> None:
        for client in self._groups.clients():
            if client not in self._lagging:
                sent = self._write(client, HEARTBEAT)
                if sent is not None and sent < len(HEARTBEAT):
                    self._start_lagging(client, self._log.head.sequence, HEARTBEAT[sent:])

    def _end(self, client: Client, reason: EndReason) -> None:
        """End a stream with a last event that says why."""
        if client.ended_at is not None:
            return
        client.last_words, client.ended_at = end_frame(reason), time.monotonic()
        client.recall = None
        if client not in self._lagging:
            self._start_lagging(client, self._log.head.sequence, b"")
        self.catch_up(client)

    def _write(self, client: Client, data: bytes) -> int | None:
        """Return how much the client took; None when it is gone, and then dropped."""
        try:
            return client.outlet.write(data)
        except OSError:
            self.drop(client)
            return None

    def _start_lagging(self, client: Client, sequence: int, rest: bytes) -> None:
        client.sequence, client.rest = sequence, rest
        client.behind_since = client.took_at = time.monotonic()
        self._groups.mark_lagging(client)
        self._lagging.add(client)
        client.outlet.ask_for_room(True)

    def _stop_lagging(self, client: Client) -> None:
        client.outlet.ask_for_room(False)
        self._lagging.discard(client)
        self._groups.mark_current(client)

    def _send_rest(self, client: Client) -> bool:
        """Send what the client's outlet refused before; True when nothing of it is left."""
        if client.rest:
            sent = client.outlet.write(client.rest)
            if sent:
                client.took_at = time.monotonic()
            client.rest = client.rest[sent:]
        return not client.rest

    def _find_more(self, client: Client) -> None:
        """Compose what comes next; who has had everything is current again or, ended, goes."""
        if client.last_words:
            client.rest, client.last_words = client.last_words, b""
        elif client.ended_at is not None:
            self.drop(client)
        elif client.recall is not None:
            self._recall_more(client, client.recall)
        elif client.sequence == self._log.head.sequence:
            self._stop_lagging(client)
        elif self._log.holds(self._log.head._replace(sequence=client.sequence), client.selection):
            client.rest = self._next_chunk(client)
        else:
            client.rest = self._spell_beginning(client, reset=True)
            client.sequence = self._log.head.sequence

    def _may_send(self, client: Client) -> bool:
        return client in self._lagging and not (client.recall and client.recall.is_waiting)

    def _can_recall(self, place: EventId, selection: Selection) -> bool:
        """Tell whether the journal can know what followed a place."""
        head = self._log.head
        never_given = place.number > head.number or (place.start == head.start and place > head)
        has_journalled = not JOURNALLED.isdisjoint(selection.topics)
        return self._look_up is not None and has_journalled and not never_given

    def _recall_more(self, client: Client, recall: Recall) -> None:
        """Have the journal read on; at its end, spell the topics that it does not hold."""
        head, selection = self._log.head, client.selection
        if recall.number == head.number:
            others = tuple(topic for topic in selection.topics if topic not in JOURNALLED)
            rest = Selection(others, selection.symbols)
            client.rest = self._fold.snapshots(head, rest) if others else b""
            client.recall, client.sequence = None, head.sequence
        elif self._look_up is not None:
            recall.is_waiting = True
            client.outlet.ask_for_room(False)
            topics = tuple(topic for topic in selection.topics if topic in JOURNALLED)
            self._look_up(client, Question(topics, recall.number, head.number))

    def _spell_beginning(self, client: Client, *, reset: bool) -> bytes:
        """Spell all topics of a client as they stand at the head."""
        snapshots = self._fold.snapshots(self._log.head, client.selection)
        return reset_frame() + snapshots if reset else snapshots

    def _next_chunk(self, client: Client) -> bytes:
        """Spell what follows the client's place, up to a bound, and move its place there."""
        slow = time.monotonic() - client.behind_since > self._pace.slow_s
        frames, size = [], 0
        for entry in self._log.after(client.sequence, client.selection, conflate=slow):
            frames.append(entry.spell(client.selection))
            size += len(frames[-1])
            if size >= CHUNK_BYTES:
                client.sequence = entry.id.sequence
                break
        else:
            client.sequence = self._log.head.sequence
        return b"".join(frames)
