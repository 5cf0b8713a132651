"""Who gets what and when: each event to its groups, each client from its place in the log.

A wave sends all current clients of a group the same bytes. Whoever cannot take
them lags: it goes on alone from its place in the log as its outlet has room,
until nothing is left and it is current again. Used by whoever has the hub's turn.
"""

from __future__ import annotations

import selectors
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

import structlog

from backend.ports.events import Event
from backend.schemas.topics import Topic
from backend.streams.encodings import Encoding
from backend.streams.event_log import Change, Entry, EventLog, Items, Reload
from backend.streams.journal_reader import JournalPage
from backend.streams.replay import LookUp, Replay
from backend.streams.socket_send import send_to_all
from backend.streams.sse import HEARTBEAT, OPENING, EndReason, end_frame, event_frame
from backend.streams.subscriber import SelectionChange, Subscriber
from backend.streams.subscriber_groups import SubscriberGroup, SubscriberGroups
from backend.streams.topic_state import TopicState

if TYPE_CHECKING:
    from backend.streams.intervals import Intervals

MOST_WORDS_BYTES = 256 * 1024
AT_ONCE = 200  # sends after which other threads may have their turn: about 1 ms

_log = structlog.get_logger(__name__)


class Dispatcher:
    """All streams and what they are sent."""

    def __init__(
        self,
        log: EventLog,
        selector: selectors.BaseSelector,
        pace: Intervals,
        look_up: LookUp | None = None,
    ) -> None:
        """Deliver from a log; what it no longer holds comes from where `look_up` has it read."""
        self._log = log
        self._selector = selector
        self._pace = pace
        self._fold = TopicState()
        self._replay = Replay(log, self._fold, look_up)
        self._groups = SubscriberGroups()
        self._lagging: set[Subscriber] = set()
        self.published: Counter[str] = Counter()

    def take(self, event: Event, number: int | None = None) -> None:
        """Give an event its place; the next wave carries it."""
        self.published[event.name] += 1
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

    def send_wave(self, take_more: Callable[[], None] | None = None) -> None:
        """Send what was noted since the last wave.

        `take_more` may note more after each group, for those whose turn is still to
        come; for the others it is pending until the next wave.
        """
        for group in self._groups.take_touched():
            self._send_pending(group)
            if take_more is not None:
                take_more()

    def _send_pending(self, group: SubscriberGroup) -> None:
        if not group.pending:
            return
        wave = group.take_wave()
        for client, taken in self._send_to_all(tuple(group.current), wave.data):
            self._start_lagging(client, *wave.split(taken))

    def attach(self, client: Subscriber) -> None:
        """Begin a stream: from the client's place if it can be resumed, else with snapshots."""
        self._groups.join(client)
        client.is_open = True
        try:
            client.writer.open(self._selector, client)
        except OSError:
            self.drop(client)
            return
        self._start_lagging(client, self._log.head.sequence, client.selection.form.dress(OPENING))
        self._replay.begin(client, client.place)
        self.catch_up(client)

    def tell(self, client: Subscriber, words: bytes) -> None:
        """Send a socket's client an answer between two events; who reads none is given up."""
        if not client.is_open or client.ended_at is not None:
            return
        client.words += words
        if len(client.words) > MOST_WORDS_BYTES:
            self.drop(client)
        else:
            self._wake(client)

    def choose(self, client: Subscriber, wish: SelectionChange, words: bytes) -> None:
        """Change what a socket carries, once its client has been sent all there is."""
        client.wishes.append(wish)
        self.tell(client, words)

    def dismiss(self, client: Subscriber, last_words: bytes) -> None:
        """End a client's connection after these words."""
        if client.is_open and client.ended_at is None:
            client.last_words, client.ended_at = last_words, time.monotonic()
            client.recall = None
            self._wake(client)

    def _wake(self, client: Subscriber) -> None:
        self._send_pending(client.group)  # a current client is at the head only after it
        if client.is_open and client not in self._lagging:
            self._start_lagging(client, self._log.head.sequence, b"")
        self.catch_up(client)

    def catch_up(self, client: Subscriber) -> None:
        """Send a client that lags as much as it takes."""
        try:
            while self._may_send(client) and self._send_rest(client):
                self._find_more(client)
        except OSError:
            self.drop(client)

    def take_page(self, client: Subscriber, answer: Future[JournalPage]) -> None:
        """Go on with a client that waits for a page of the journal."""
        recall = client.recall
        if recall is None or not client.is_open:
            return
        try:
            self._replay.take(client, answer.result)
        except Exception:
            _log.exception("the journal could not be read for a stream, which ends")
            self.drop(client)
            return
        client.took_at = time.monotonic()
        client.writer.ask_for_room(True)
        self.catch_up(client)

    def end_all(self, reason: EndReason) -> None:
        """End every stream."""
        for client in self._groups.clients():
            self.end(client, reason)

    def wants(self, topic: Topic, symbol: str) -> bool:
        """Tell whether anybody follows the topic for this symbol; any thread may ask."""
        return self._groups.want(topic, symbol)

    def clients(self) -> list[Subscriber]:
        """Return everyone who has a stream."""
        return self._groups.clients()

    def lagging(self) -> list[Subscriber]:
        """Return everyone who has not been sent all there is."""
        return list(self._lagging)

    def drop_all(self) -> None:
        """Forget everyone without a word."""
        for client in self._groups.clients():
            self.drop(client)

    def drop(self, client: Subscriber) -> None:
        """Forget a client and free all that it holds; the second call does nothing."""
        if not client.is_open:
            return
        client.is_open = False
        self._groups.leave(client)
        client.rest = b""
        self._lagging.discard(client)
        client.writer.close()
        client.seat.give_back()

    def send_heartbeats(self, form: Encoding) -> None:
        """Let those who have been sent all there is see that the connection lives."""
        self.send_wave()  # the next event then follows the beat for all
        beat = form.dress(HEARTBEAT)
        current = [
            client
            for client in self._groups.clients()
            if client.selection.form is form and client not in self._lagging
        ]
        for client, taken in self._send_to_all(current, beat):
            self._start_lagging(client, self._log.head.sequence, beat[taken:])

    def end(self, client: Subscriber, reason: EndReason) -> None:
        """End a stream with a last event that says why."""
        self.dismiss(client, client.selection.form.dress(end_frame(reason)))

    def _send_to_all(
        self, clients: Sequence[Subscriber], data: bytes
    ) -> Iterator[tuple[Subscriber, int]]:
        """Send all the same; yield who took less, and how much of it. The gone are dropped."""
        for first in range(0, len(clients), AT_ONCE):
            some = clients[first : first + AT_ONCE]
            descriptors = [client.writer.descriptor for client in some]
            for client, taken in zip(some, send_to_all(descriptors, data), strict=True):
                if taken == len(data):
                    continue
                now_taken = self._write(client, data) if taken < 0 else taken
                if now_taken is not None and now_taken < len(data):
                    yield client, now_taken

    def _write(self, client: Subscriber, data: bytes) -> int | None:
        """Return how much the client took; None when it is gone, and then dropped."""
        try:
            return client.writer.write(data)
        except OSError:
            self.drop(client)
            return None

    def _start_lagging(self, client: Subscriber, sequence: int, rest: bytes) -> None:
        client.sequence, client.rest = sequence, rest
        client.behind_since = client.took_at = time.monotonic()
        self._groups.mark_lagging(client)
        self._lagging.add(client)
        client.writer.ask_for_room(True)

    def _stop_lagging(self, client: Subscriber) -> None:
        self._send_pending(client.group)  # to the others: this one has found it in the log
        client.writer.ask_for_room(False)
        self._lagging.discard(client)
        self._groups.mark_current(client)

    def _send_rest(self, client: Subscriber) -> bool:
        """Send what the client's outlet refused before; True when nothing of it is left."""
        if client.rest:
            sent = client.writer.write(client.rest)
            if sent:
                client.took_at = time.monotonic()
            client.rest = client.rest[sent:]
        return not client.rest

    def _find_more(self, client: Subscriber) -> None:
        """Compose what comes next; who has had everything is current again or, ended, goes."""
        if client.words:
            client.rest, client.words = client.words, b""
        elif client.last_words:
            client.rest, client.last_words = client.last_words, b""
        elif client.ended_at is not None:
            self.drop(client)
        elif client.recall is not None:
            self._replay.ask(client, client.recall)
        elif client.sequence != self._log.head.sequence:
            slow = time.monotonic() - client.behind_since > self._pace.slow_s
            self._replay.go_on(client, conflate=slow)
        elif client.wishes:
            self._grant(client, client.wishes.pop(0))
        else:
            self._stop_lagging(client)

    def _may_send(self, client: Subscriber) -> bool:
        return client in self._lagging and not (client.recall and client.recall.is_waiting)

    def _grant(self, client: Subscriber, wish: SelectionChange) -> None:
        """Change what a client gets: from a place on, or with snapshots of what is new to it."""
        before = client.selection
        self._groups.leave(client)
        client.selection = wish.selection
        self._groups.join(client)
        if wish.place is not None:
            self._replay.begin(client, wish.place)
        else:
            client.rest = self._replay.spell_new(client, before)
