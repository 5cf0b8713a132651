"""The hub: one thread that takes the bot's events and brings them to every stream."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import timedelta
from functools import partial

import structlog

from backend.concurrency.cpu_affinity import run_anywhere
from backend.concurrency.host import Host, Signal
from backend.errors import StoreUnavailable
from backend.ports.events import Event
from backend.ports.journal import EventJournal, JournalUnavailable
from backend.schemas.common import Page
from backend.schemas.past_events import PastEvent
from backend.schemas.topics import Topic
from backend.streams import journal_reader as archive
from backend.streams.connection_limits import StreamLimits
from backend.streams.dispatcher import Dispatcher
from backend.streams.event_log import EventLog, Selection
from backend.streams.housekeeping import Housekeeping
from backend.streams.intervals import Intervals
from backend.streams.past_events import past_events
from backend.streams.response_body import StreamBody
from backend.streams.sse import parse_event_id
from backend.streams.subscriber import SelectionChange, StreamOwner, Subscriber
from backend.streams.writers import SharedSocketWriter, StreamWriter

FEW_STREAMS = 32
_HERE_EVERY_S = 0.0005  # what comes faster, after a few, waits for the hub's thread
MOST_STREAMS = 10_000
MOST_STREAMS_PER_USER = 100
_TICK_S = 0.5
_STOP_S = 1.0
KEPT_FOR = timedelta(days=30)
_log = structlog.get_logger(__name__)


class Hub:
    """Events in, streams out.

    Whoever calls from outside appends to a queue and nudges the hub's thread. All else
    belongs to who has the turn: it, or who publishes an order and sends it to a few.
    """

    def __init__(
        self,
        capacity: int,
        host: Host,
        *,
        journal: EventJournal | None = None,
        kept_for: timedelta = KEPT_FOR,
        pace: Intervals | None = None,
        most: int = MOST_STREAMS,
        most_per_user: int = MOST_STREAMS_PER_USER,
    ) -> None:
        self._host = host
        self._pace = pace or Intervals()
        self._seats = StreamLimits(most, most_per_user)
        self._selector = selectors.DefaultSelector()
        start = f"{time.time_ns() // 1_000_000:x}"  # names this start in every event's id
        self._journal = journal
        number = 0 if journal is None else journal.last_event_sequence()
        self._archive = None if journal is None else archive.JournalReader(journal, kept_for)
        look_up = None if journal is None else self._look_up
        self._delivery = Dispatcher(
            EventLog(start, capacity, number), self._selector, self._pace, look_up
        )
        self._upkeep = Housekeeping(self._delivery, self._pace)
        self._events: deque[Callable[[], None]] = deque()
        self._requests: deque[Callable[[], None]] = deque()
        self._next_tick = time.monotonic() + _TICK_S
        self._next_here = 0.0
        self._turn = threading.RLock()
        self._nudged = self._closing = self._closed = False
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self._selector.register(self._wake_reader, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="streams", daemon=True)
        self._thread.start()

    def publish(self, event: Event, journal_number: int | None = None) -> None:
        """Append one event, `journal_number` being its number in the journal; returns at once.

        With a number it does not come from the bot's thread, and may be sent by this one.
        """
        self._post_event(
            partial(self._delivery.take, event, journal_number), journal_number is not None
        )

    def has_subscribers(self, topic: Topic, symbol: str) -> bool:
        """Tell whether anybody follows the topic for this symbol."""
        return self._delivery.wants(topic, symbol)

    def replace_snapshot(self, topic: Topic, items: Mapping[str, tuple[str | None, bytes]]) -> None:
        """Replace a topic's snapshot, and send it to the streams that carry the topic."""
        self._post_event(partial(self._delivery.reload, topic, dict(items)))

    def open(
        self, selection: Selection, holder: StreamOwner, last_event_id: str | None = None
    ) -> StreamBody:
        """Grant a stream; it goes on after `last_event_id`, or else begins with snapshots.

        Raises `MalformedRequest` for an id that cannot be ours, `TooManyStreams` and
        `StreamsFull` at the bounds.
        """
        return StreamBody(self, self.seat(selection, holder, last_event_id), self._pace.stalled_s)

    def seat(
        self, selection: Selection, holder: StreamOwner, last_event_id: str | None = None
    ) -> Callable[[StreamWriter], Subscriber]:
        """Grant the same to who has a way out of their own; raises what `open` raises."""
        place = parse_event_id(last_event_id) if last_event_id else None
        seat = self._seats.take(holder.user_id)
        return partial(Subscriber, selection=selection, holder=holder, seat=seat, place=place)

    def share(self, sock: socket.socket) -> SharedSocketWriter:
        """Return a way out on a socket that the caller goes on reading; raises OSError."""
        return SharedSocketWriter(sock.dup(), self._pace.stalled_s)

    def tell(self, client: Subscriber, words: bytes) -> None:
        """Send a socket's client an answer, between two events."""
        self._post(partial(self._delivery.tell, client, words))

    def choose(
        self, client: Subscriber, selection: Selection, last_event_id: str | None, words: bytes
    ) -> None:
        """Change what a socket carries, saying `words` first.

        What is new begins with snapshots, or goes on after an id.

        Raises `MalformedRequest` for an id that cannot be ours.
        """
        place = parse_event_id(last_event_id) if last_event_id else None
        wish = SelectionChange(selection, place)
        self._post(partial(self._delivery.choose, client, wish, words))

    def renew(self, client: Subscriber, holder: StreamOwner) -> None:
        """Let a client stay for as long as another token of the same user allows."""
        client.holder = holder

    def dismiss(self, client: Subscriber, last_words: bytes) -> None:
        """End a socket after these words."""
        self._post(partial(self._delivery.dismiss, client, last_words))

    def past(self, after: str | None, topics: Sequence[Topic], limit: int) -> Page[PastEvent]:
        """Return journalled events that followed an id, oldest first.

        Raises `MalformedRequest`, `EventsGone`, `StoreUnavailable`.
        """
        if self._journal is None:
            raise StoreUnavailable
        try:
            return self._host.call_blocking(past_events, self._journal, after, topics, limit)
        except JournalUnavailable:
            raise StoreUnavailable from None

    @property
    def open_streams(self) -> int:
        """How many streams there are."""
        return self._seats.taken

    @property
    def lagging_streams(self) -> int:
        """How many of them are behind."""
        return len(self._delivery.lagging())

    @property
    def published(self) -> Mapping[str, int]:
        """How many events of each name there were since the start; grows meanwhile."""
        return self._delivery.published

    def new_signal(self) -> Signal:
        """Create what a request that iterates its stream waits for."""
        return self._host.new_signal()

    def attach(self, client: Subscriber) -> None:
        """Begin a stream that was granted."""
        self._post(partial(self._delivery.attach, client))
        if self._closed:
            client.writer.close()

    def catch_up(self, client: Subscriber) -> None:
        """Go on with a stream whose outlet has room again."""
        self._post(partial(self._delivery.catch_up, client))

    def detach(self, client: Subscriber) -> None:
        """End a stream without a word."""
        self._post(partial(self._delivery.drop, client))

    def close(self) -> None:
        """End every stream, saying why, and stop; returns within about a second."""
        self._closing = True
        self._wake()
        self._host.call_blocking(self._thread.join)  # TLS connections need the host meanwhile
        if self._archive is not None:
            self._archive.close()

    def _look_up(self, client: Subscriber, question: archive.JournalQuery) -> None:
        def tell(page: Future[archive.JournalPage]) -> None:
            self._post(partial(self._delivery.take_page, client, page))

        if self._archive is not None:
            self._archive.ask(question, tell)

    def _post_event(self, call: Callable[[], None], may_send: bool = False) -> None:
        """Queue an event; while nobody has a stream, the next tick is soon enough."""
        if not self._closed:
            self._events.append(call)
            if self._seats.taken and not (may_send and self._send_here()):
                self._wake()

    def _send_here(self) -> bool:
        # to wake the hub's thread takes a millisecond while others compete for the interpreter
        latest = time.monotonic() + 4 * _HERE_EVERY_S
        is_busy = self._seats.taken > FEW_STREAMS or self._next_here > latest
        if is_busy or not self._turn.acquire(blocking=False):
            return False
        try:
            self._try_to(self._send_events)
            self._next_here = max(self._next_here, time.monotonic()) + _HERE_EVERY_S
        finally:
            self._turn.release()
        return True

    def _post(self, call: Callable[[], None]) -> None:
        if not self._closed:
            self._requests.append(call)
            self._wake()

    def _wake(self) -> None:
        if not self._nudged:
            self._nudged = True
            with suppress(OSError):  # closed
                self._wake_writer.send(b".")

    def _run(self) -> None:
        run_anywhere()  # to write to thousands of sockets is the system's work
        while not self._closing:
            self._try_to(self._take_turn)
        with self._turn:
            self._delivery.end_all("server_stopping")
        stop_at = time.monotonic() + _STOP_S
        while self._delivery.clients() and time.monotonic() < stop_at:
            self._try_to(self._take_turn)
        self._closed = True
        with self._turn:
            _call_first(len(self._requests), self._requests)
            self._delivery.drop_all()
            self._selector.close()
        self._wake_reader.close()
        self._wake_writer.close()

    def _try_to(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:
            # who was sent what is no longer certain: clients come back and resume exactly
            _log.exception("streams failed and start over")
            with self._turn:
                self._delivery.drop_all()

    def _take_turn(self) -> None:
        ready = self._selector.select(_TICK_S)
        with self._turn:
            self._work(ready)

    def _work(self, ready: Sequence[tuple[selectors.SelectorKey, int]]) -> None:
        for key, mask in ready:
            if key.data is None:
                self._wake_reader.recv(16)
                self._nudged = False
            elif mask & selectors.EVENT_READ:
                self._delivery.drop(key.data)  # all that a stream's client can say is good-bye
            else:
                self._delivery.catch_up(key.data)
        requests = len(self._requests)  # each sees what was published before it was made
        self._send_events()
        _call_first(requests, self._requests)
        if time.monotonic() >= self._next_tick:
            self._upkeep.keep_time()
            self._next_tick = time.monotonic() + _TICK_S
            if self._archive is not None:
                self._archive.forget_old()

    def _send_events(self) -> None:
        self._take_events()
        self._delivery.send_wave(self._take_events)

    def _take_events(self) -> None:
        _call_first(len(self._events), self._events)


def _call_first(count: int, calls: deque[Callable[[], None]]) -> None:
    for _ in range(count):
        calls.popleft()()
