"""Hub: the thread that receives the bot's events and writes them to every stream."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import timedelta
from functools import partial

import structlog

from backend.concurrency.cpu_affinity import unpin_current_thread
from backend.concurrency.host import Host, Signal
from backend.errors import StoreUnavailable
from backend.ports.events import Event
from backend.ports.journal import EventJournal, JournalUnavailable
from backend.schemas.common import Page
from backend.schemas.past_events import PastEvent
from backend.schemas.topics import Topic
from backend.streams.connection_limits import StreamLimits
from backend.streams.dispatcher import Dispatcher
from backend.streams.event_log import EventLog
from backend.streams.housekeeping import Housekeeping
from backend.streams.intervals import Intervals
from backend.streams.journal_reader import JournalPage, JournalQuery, JournalReader
from backend.streams.past_events import past_events
from backend.streams.response_body import StreamBody
from backend.streams.selection import Selection
from backend.streams.sse import parse_event_id
from backend.streams.subscriber import SelectionChange, StreamOwner, Subscriber, SubscriberFactory
from backend.streams.waker import Waker
from backend.streams.writers import SharedSocketWriter

MAX_STREAMS = 10_000
MAX_STREAMS_PER_USER = 100
RETENTION = timedelta(days=30)
_MAX_DIRECT_STREAMS = 32
_DIRECT_INTERVAL_S = 0.0005  # events beyond a few of these wait for the hub's thread
_TICK_S = 0.5
_STOP_TIMEOUT_S = 1.0
_log = structlog.get_logger(__name__)


class Hub:
    """Thread-safe entry to the streams: `EventSink` of the bot, subscriptions of views.

    Calls from other threads are queued and wake the hub's thread. Everything else runs
    under the lock: on that thread, or on one that publishes a journalled event and
    sends it directly while there are few streams.
    """

    def __init__(
        self,
        capacity: int,
        host: Host,
        *,
        journal: EventJournal | None = None,
        retention: timedelta = RETENTION,
        intervals: Intervals | None = None,
        max_streams: int = MAX_STREAMS,
        max_streams_per_user: int = MAX_STREAMS_PER_USER,
    ) -> None:
        self._host = host
        self._intervals = intervals or Intervals()
        self._limits = StreamLimits(max_streams, max_streams_per_user)
        self._selector = selectors.DefaultSelector()
        start = f"{time.time_ns() // 1_000_000:x}"  # identifies this start in every event's id
        number = 0 if journal is None else journal.last_event_sequence()
        log = EventLog(start, capacity, number)
        self._journal = journal
        self._journal_reader = None if journal is None else JournalReader(journal, retention)
        request_page = None if journal is None else self._request_page
        self._dispatcher = Dispatcher(log, self._selector, self._intervals, request_page)
        self._housekeeping = Housekeeping(self._dispatcher, self._intervals)
        self._events: deque[Callable[[], None]] = deque()
        self._requests: deque[Callable[[], None]] = deque()
        self._next_tick = time.monotonic() + _TICK_S
        self._next_direct_send = 0.0
        self._lock = threading.RLock()
        self._closing = self._closed = False
        self._waker = Waker(self._selector)
        self._thread = threading.Thread(target=self._run, name="streams", daemon=True)
        self._thread.start()

    def publish(self, event: Event, journal_number: int | None = None) -> None:
        """Append an event; returns at once.

        An event with a journal number does not come from the bot's thread, and may be
        sent by the calling thread.
        """
        append = partial(self._dispatcher.append, event, journal_number)
        self._post_event(append, may_send=journal_number is not None)

    def has_subscribers(self, topic: Topic, symbol: str) -> bool:
        """Return whether any stream carries the topic and symbol."""
        return self._dispatcher.has_subscribers(topic, symbol)

    def replace_snapshot(self, topic: Topic, items: Mapping[str, tuple[str | None, bytes]]) -> None:
        """Replace a topic's snapshot, and send it to the streams that carry the topic."""
        self._post_event(partial(self._dispatcher.replace_snapshot, topic, dict(items)))

    def open_stream(
        self, selection: Selection, owner: StreamOwner, last_event_id: str | None = None
    ) -> StreamBody:
        """Reserve a stream, resumed after `last_event_id` or beginning with snapshots.

        Raises `MalformedRequest` for an id that is not ours, `TooManyStreams` and
        `StreamsFull` at the limits.
        """
        new_subscriber = self.reserve(selection, owner, last_event_id)
        return StreamBody(self, new_subscriber, self._intervals.stall_timeout_s)

    def reserve(
        self, selection: Selection, owner: StreamOwner, last_event_id: str | None = None
    ) -> SubscriberFactory:
        """Reserve a stream for a writer of the caller's; raises the errors of `open_stream`."""
        after = parse_event_id(last_event_id) if last_event_id else None
        slot = self._limits.acquire(owner.user_id)
        return partial(Subscriber, selection=selection, owner=owner, slot=slot, resume_after=after)

    def shared_writer(self, sock: socket.socket) -> SharedSocketWriter:
        """Return a writer for a socket that the caller keeps reading; raises OSError."""
        return SharedSocketWriter(sock.dup(), self._intervals.stall_timeout_s)

    def attach(self, subscriber: Subscriber) -> None:
        """Begin a subscriber's stream."""
        self._post(partial(self._dispatcher.attach, subscriber))
        if self._closed:
            subscriber.writer.close()

    def catch_up(self, subscriber: Subscriber) -> None:
        """Continue a stream whose writer has room again."""
        self._post(partial(self._dispatcher.catch_up, subscriber))

    def detach(self, subscriber: Subscriber) -> None:
        """End a stream without a last event."""
        self._post(partial(self._dispatcher.disconnect, subscriber))

    def send_control(self, subscriber: Subscriber, frames: bytes) -> None:
        """Send control frames on a WebSocket, between two events."""
        self._post(partial(self._dispatcher.send_control, subscriber, frames))

    def change_selection(
        self, subscriber: Subscriber, selection: Selection, last_event_id: str | None, reply: bytes
    ) -> None:
        """Send `reply` on a WebSocket, then change its selection.

        Added topics begin with snapshots, or the stream resumes after an id. Raises
        `MalformedRequest` for an id that is not ours.
        """
        after = parse_event_id(last_event_id) if last_event_id else None
        change = SelectionChange(selection, after)
        self._post(partial(self._dispatcher.change_selection, subscriber, change, reply))

    def renew_access(self, subscriber: Subscriber, owner: StreamOwner) -> None:
        """Extend a stream's life to that of another token of the same user."""
        subscriber.owner = owner

    def close_after(self, subscriber: Subscriber, closing_frames: bytes) -> None:
        """Send closing frames on a WebSocket, then disconnect."""
        self._post(partial(self._dispatcher.close_after, subscriber, closing_frames))

    def past_events(
        self, after: str | None, topics: Sequence[Topic], limit: int
    ) -> Page[PastEvent]:
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
        """Number of streams."""
        return self._limits.in_use

    @property
    def lagging_streams(self) -> int:
        """Number of lagging streams."""
        return len(self._dispatcher.lagging())

    @property
    def published(self) -> Mapping[str, int]:
        """Live counter of events since the start, by event name."""
        return self._dispatcher.published

    def new_signal(self) -> Signal:
        """Create the signal on which a request that iterates its stream waits."""
        return self._host.new_signal()

    def close(self) -> None:
        """End every stream with a reason, and stop; returns within about a second."""
        self._closing = True
        self._waker.wake()
        self._host.call_blocking(self._thread.join)  # TLS connections need the host meanwhile
        if self._journal_reader is not None:
            self._journal_reader.close()

    def _request_page(self, subscriber: Subscriber, query: JournalQuery) -> None:
        def receive(page: Future[JournalPage]) -> None:
            self._post(partial(self._dispatcher.receive_page, subscriber, page))

        if self._journal_reader is not None:
            self._journal_reader.request_page(query, receive)

    def _post_event(self, append: Callable[[], None], may_send: bool = False) -> None:
        """Queue an event; without any stream, the next tick is soon enough."""
        if not self._closed:
            self._events.append(append)
            if self._limits.in_use and not (may_send and self._send_directly()):
                self._waker.wake()

    def _send_directly(self) -> bool:
        # waking the hub's thread takes a millisecond while others compete for the interpreter
        latest = time.monotonic() + 4 * _DIRECT_INTERVAL_S
        is_busy = self._limits.in_use > _MAX_DIRECT_STREAMS or self._next_direct_send > latest
        if is_busy or not self._lock.acquire(blocking=False):
            return False
        try:
            self._run_guarded(self._send_events)
            earliest = max(self._next_direct_send, time.monotonic())
            self._next_direct_send = earliest + _DIRECT_INTERVAL_S
        finally:
            self._lock.release()
        return True

    def _post(self, request: Callable[[], None]) -> None:
        if not self._closed:
            self._requests.append(request)
            self._waker.wake()

    def _run(self) -> None:
        unpin_current_thread()  # writing to thousands of sockets is the kernel's work
        while not self._closing:
            self._run_guarded(self._run_once)
        with self._lock:
            self._dispatcher.end_all("server_stopping")
        stop_at = time.monotonic() + _STOP_TIMEOUT_S
        while self._dispatcher.subscribers() and time.monotonic() < stop_at:
            self._run_guarded(self._run_once)
        self._closed = True
        with self._lock:
            _call_first(len(self._requests), self._requests)
            self._dispatcher.disconnect_all()
            self._selector.close()
        self._waker.close()

    def _run_guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:
            # it is no longer certain which bytes each subscriber got: clients reconnect and resume
            _log.exception("streams failed: all subscribers are disconnected")
            with self._lock:
                self._dispatcher.disconnect_all()

    def _run_once(self) -> None:
        ready = self._selector.select(_TICK_S)
        with self._lock:
            self._handle(ready)

    def _handle(self, ready: Sequence[tuple[selectors.SelectorKey, int]]) -> None:
        for key, mask in ready:
            if key.data is None:
                self._waker.reset()
            elif mask & selectors.EVENT_READ:
                self._dispatcher.disconnect(key.data)  # a stream's client sends nothing but its end
            else:
                self._dispatcher.catch_up(key.data)
        requests = len(self._requests)  # each must see the events published before it was created
        self._send_events()
        _call_first(requests, self._requests)
        if time.monotonic() >= self._next_tick:
            self._housekeeping.run_due()
            self._next_tick = time.monotonic() + _TICK_S
            if self._journal_reader is not None:
                self._journal_reader.delete_expired()

    def _send_events(self) -> None:
        self._append_events()
        self._dispatcher.broadcast(self._append_events)

    def _append_events(self) -> None:
        _call_first(len(self._events), self._events)


def _call_first(count: int, calls: deque[Callable[[], None]]) -> None:
    for _ in range(count):
        calls.popleft()()
