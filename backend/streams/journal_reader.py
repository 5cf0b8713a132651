"""JournalReader: pages of journalled events, read on threads of their own for the hub."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple

import structlog

from backend.errors import EventsGone
from backend.ports.journal import EventJournal, JournalUnavailable, StoredEvent
from backend.schemas.common import utc_now
from backend.schemas.topics import Topic
from backend.streams.selection import Selection
from backend.streams.sse import EventId, event_frame

PAGE_SIZE = 500
_CLEANUP_INTERVAL_S = 3600.0
_log = structlog.get_logger(__name__)


class JournalQuery(NamedTuple):
    """Range of journalled events: of these topics, with numbers in (after, until]."""

    topics: tuple[Topic, ...]
    after: int
    until: int


class JournalPage(NamedTuple):
    """Encoded events (symbol and frame) of a query, complete up to number `reached`."""

    frames: Sequence[tuple[str | None, bytes]]
    reached: int

    def frames_for(self, selection: Selection) -> bytes:
        """Return the frames that pass a selection, joined."""
        return b"".join(frame for symbol, frame in self.frames if selection.includes_symbol(symbol))


class JournalReader:
    """Reads pages for the hub, which must not block, and deletes events past their retention."""

    def __init__(self, journal: EventJournal, retention: timedelta) -> None:
        self._journal = journal
        self._retention = retention
        self._next_cleanup = time.monotonic()
        self._lock = threading.Lock()
        self._pending: dict[JournalQuery, Future[JournalPage]] = {}
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="journal-reader")

    def request_page(
        self, query: JournalQuery, callback: Callable[[Future[JournalPage]], None]
    ) -> None:
        """Read a page and call back on another thread; equal pending queries share one read.

        The future fails with `EventsGone` or `JournalUnavailable`.
        """
        with self._lock:
            page = self._pending.get(query)
            if page is None:
                page = self._pending[query] = self._threads.submit(self._read, query)
        page.add_done_callback(callback)

    def delete_expired(self) -> None:
        """Schedule the deletion of events past their retention, once an hour at most."""
        if time.monotonic() < self._next_cleanup:
            return
        self._next_cleanup = time.monotonic() + _CLEANUP_INTERVAL_S
        with suppress(RuntimeError):  # after `close`
            self._threads.submit(self._delete_expired)

    def close(self) -> None:
        """Finish running reads and cancel the queued ones."""
        self._threads.shutdown(cancel_futures=True)

    def _read(self, query: JournalQuery) -> JournalPage:
        try:
            found = events_after(self._journal, query.after, query.topics, PAGE_SIZE)
        finally:
            with self._lock:
                del self._pending[query]
        wanted = [stored for stored in found if stored.sequence <= query.until]
        is_last = len(found) < PAGE_SIZE or found[-1].sequence >= query.until
        return JournalPage(
            [(stored.event.symbol, _frame(stored)) for stored in wanted],
            query.until if is_last else wanted[-1].sequence,
        )

    def _delete_expired(self) -> None:
        try:
            self._journal.delete_events_before(utc_now() - self._retention)
        except JournalUnavailable:
            _log.warning("expired events could not be deleted from the journal")


def events_after(
    journal: EventJournal, number: int, topics: Sequence[Topic], limit: int
) -> Sequence[StoredEvent]:
    """Return the journalled events after a number; raises `EventsGone` if some were deleted."""
    found = journal.events_after(number, topics, limit)
    if journal.oldest_event_sequence() > number + 1:  # checked last: they may be deleted meanwhile
        raise EventsGone("the events after this id are no longer kept: begin with fresh lists")
    return found


def _frame(stored: StoredEvent) -> bytes:
    event = stored.event
    return event_frame(EventId.of_journal(stored.sequence), event.name, event.data)
