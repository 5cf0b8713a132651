"""The journal as streams see it: read a page at a time, off the hub's thread; the old forgotten."""

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
from backend.streams.event_log import Selection
from backend.streams.sse import EventId, event_frame

PAGE = 500
_FORGET_EVERY_S = 3600.0
_log = structlog.get_logger(__name__)


class JournalQuery(NamedTuple):
    """Which events a client is to be told: of these topics, after a number, up to another."""

    topics: tuple[Topic, ...]
    after: int
    until: int


class JournalPage(NamedTuple):
    """Some of the events asked for, spelled; all up to `reached` are among them."""

    frames: Sequence[tuple[str | None, bytes]]
    reached: int

    def spell(self, selection: Selection) -> bytes:
        """Return those that a selection takes."""
        return b"".join(frame for symbol, frame in self.frames if selection.takes_symbol(symbol))


class JournalReader:
    """Reads for the hub, which must not wait, and forgets what is older than `kept_for`."""

    def __init__(self, journal: EventJournal, kept_for: timedelta) -> None:
        self._journal = journal
        self._kept_for = kept_for
        self._next_forgetting = time.monotonic()
        self._lock = threading.Lock()
        self._asked: dict[JournalQuery, Future[JournalPage]] = {}
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="archive")

    def ask(self, question: JournalQuery, tell: Callable[[Future[JournalPage]], None]) -> None:
        """Look for events and `tell` from another thread; equal questions are answered at once.

        The page is an error instead: `EventsGone`, or `JournalUnavailable`.
        """
        with self._lock:
            page = self._asked.get(question)
            if page is None:
                page = self._asked[question] = self._threads.submit(self._read, question)
        page.add_done_callback(tell)

    def forget_old(self) -> None:
        """Have the journal forget what is too old, soon, if an hour has passed since it did."""
        if time.monotonic() < self._next_forgetting:
            return
        self._next_forgetting = time.monotonic() + _FORGET_EVERY_S
        with suppress(RuntimeError):  # closed
            self._threads.submit(self._forget)

    def close(self) -> None:
        """Finish what is under way."""
        self._threads.shutdown(cancel_futures=True)

    def _read(self, question: JournalQuery) -> JournalPage:
        try:
            found = events_after(self._journal, question.after, question.topics, PAGE)
        finally:
            with self._lock:
                del self._asked[question]
        wanted = [stored for stored in found if stored.sequence <= question.until]
        is_all = len(found) < PAGE or found[-1].sequence >= question.until
        return JournalPage(
            [(stored.event.symbol, _spell(stored)) for stored in wanted],
            question.until if is_all else wanted[-1].sequence,
        )

    def _forget(self) -> None:
        try:
            self._journal.delete_events_before(utc_now() - self._kept_for)
        except JournalUnavailable:
            _log.warning("old events could not be forgotten")


def events_after(
    journal: EventJournal, number: int, topics: Sequence[Topic], limit: int
) -> Sequence[StoredEvent]:
    """Return journalled events that follow a number; raises `EventsGone` if some are forgotten."""
    found = journal.events_after(number, topics, limit)
    if journal.oldest_event_sequence() > number + 1:  # asked last: they may go meanwhile
        raise EventsGone("the events after this id are no longer kept: begin with fresh lists")
    return found


def _spell(stored: StoredEvent) -> bytes:
    event = stored.event
    return event_frame(EventId.in_journal(stored.sequence), event.name, event.data)
