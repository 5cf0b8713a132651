"""Transactional outbox: one thread that commits to the journal, then publishes to the streams.

No client sees a change before it would survive a kill of the process.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import enum
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from backend.bridge.ledger.journal_rows import Baseline, Row, merge
from backend.ports.events import Event, EventSink
from backend.ports.journal import Intent, JournalUnavailable, OrderJournal
from backend.schemas.topics import JOURNALLED, Topic

_MOST_AT_ONCE = 500
_RETRY_S = 0.5

log = logging.getLogger(__name__)


class Commit(NamedTuple):
    """Rows that are written in one transaction, and the events that are published after it."""

    rows: Sequence[Row] = ()
    events: Sequence[Event] = ()


class _Snapshot(NamedTuple):
    topic: Topic
    items: Mapping[str, tuple[str | None, bytes]]


class _Flush(NamedTuple):
    done: concurrent.futures.Future[None]


class _Signal(enum.Enum):
    INTENT = enum.auto()
    PROBE = enum.auto()
    CLOSE = enum.auto()


_Item = Commit | _Snapshot | _Flush | _Signal


class _PendingIntent(NamedTuple):
    intent: Intent
    written: concurrent.futures.Future[Intent | None]


class Outbox:
    """Queue of commits, snapshots and intents, filled from any thread without waiting.

    Queued items are committed in groups and in order. Commits are retried until they
    succeed, intents are tried once.
    """

    def __init__(self, journal: OrderJournal, sink: EventSink) -> None:
        self._journal = journal
        self._sink = sink
        self._queue: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._pending: deque[_PendingIntent] = deque()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._closing = threading.Event()
        self.healthy = True
        self._thread.start()

    def commit(self, rows: Sequence[Row] = (), events: Sequence[Event] = ()) -> None:
        """Queue rows for one transaction, and events to be published once it is committed."""
        self._queue.put(Commit(rows, events))

    def replace_snapshot(self, topic: Topic, items: Mapping[str, tuple[str | None, bytes]]) -> None:
        """Queue a topic's new snapshot; it is loaded after the items queued before it."""
        self._queue.put(_Snapshot(topic, items))

    def flush(self) -> concurrent.futures.Future[None]:
        """Return a future that is done when everything queued so far is committed."""
        done: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._queue.put(_Flush(done))
        return done

    async def flush_within(self, timeout_s: float) -> bool:
        """Wait on a loop until everything queued so far is committed; False if that takes longer.

        A delay of the loop itself does not count.
        """
        done = self.flush()
        await asyncio.wait([asyncio.wrap_future(done)], timeout=timeout_s)
        return done.done()

    def probe(self) -> None:
        """Mark the journal as unavailable, and retry an empty commit until one succeeds."""
        self.healthy = False
        self._queue.put(_Signal.PROBE)

    def intend(self, intent: Intent) -> concurrent.futures.Future[Intent | None]:
        """Queue an intent; the future is done when it, or an earlier one of its key, is committed.

        It fails with `JournalUnavailable` when the journal cannot be written now.
        """
        written: concurrent.futures.Future[Intent | None] = concurrent.futures.Future()
        self._pending.append(_PendingIntent(intent, written))
        self._queue.put(_Signal.INTENT)
        if not self._thread.is_alive():
            self._refuse_pending(JournalUnavailable("the journal is closed"))
        return written

    def close(self) -> None:
        """Commit the queued items and end the thread."""
        self._closing.set()
        self._queue.put(_Signal.CLOSE)
        self._thread.join(10)

    def _run(self) -> None:
        open_ = True
        while open_:
            items, open_ = self._take(self._queue.get())
            self._write_intents(self._take_pending())
            numbers = iter(self._write(items))
            for item in items:
                self._publish(item, numbers)
        self._refuse_pending(JournalUnavailable("the journal is closed"))

    def _take(self, first: _Item) -> tuple[list[_Item], bool]:
        """Return the items to write together, and False once the outbox is closed."""
        items: list[_Item] = []
        item = first
        while item is not _Signal.CLOSE:
            if item is not _Signal.INTENT:
                items.append(item)
            if len(items) >= _MOST_AT_ONCE:
                return items, True
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return items, True
        return items, False

    def _write(self, items: Sequence[_Item]) -> Sequence[int]:
        """Commit and return the numbers of the events, none if that became impossible."""
        commits = [item for item in items if isinstance(item, Commit)]
        rows = [row for commit in commits for row in commit.rows]
        batch = merge(rows, [event for commit in commits for event in commit.events])
        has_batch = _Signal.PROBE in items or not batch.is_empty
        baselines = [row for row in rows if isinstance(row, Baseline)]
        numbers: Sequence[int] = ()
        while has_batch or baselines:
            try:
                if has_batch:
                    numbers = self._journal.record(batch)
                for account, value in baselines:
                    self._journal.set_baseline(account, value)
            except JournalUnavailable as error:
                if not self._retry_after(error):
                    return ()
            else:
                self.healthy = True
                break
        return numbers

    def _retry_after(self, error: JournalUnavailable) -> bool:
        """Wait before the next attempt; False if no time is left."""
        if self.healthy:
            log.exception("the order journal cannot be written")
        self.healthy = False
        self._refuse_pending(error)
        if self._closing.is_set():
            return False
        time.sleep(_RETRY_S)
        return True

    def _publish(self, item: _Item, numbers: Iterator[int]) -> None:
        try:
            if isinstance(item, Commit):
                numbered = [
                    (event, next(numbers, None) if event.topic in JOURNALLED else None)
                    for event in item.events
                ]
                for event, number in numbered:
                    self._sink.publish(event, number)
            elif isinstance(item, _Snapshot):
                self._sink.replace_snapshot(*item)
        except Exception:  # the commit has succeeded: a flush must not wait for a subscriber
            log.exception("an event could not be published")
        if isinstance(item, _Flush) and item.done.set_running_or_notify_cancel():
            item.done.set_result(None)

    # ---- intents

    def _take_pending(self) -> Sequence[_PendingIntent]:
        pending = []
        with contextlib.suppress(IndexError):
            while True:
                pending.append(self._pending.popleft())
        return pending

    def _write_intents(self, pending: Sequence[_PendingIntent]) -> None:
        """Commit intents together; the callbacks of their futures run on this thread."""
        if not pending:
            return
        try:
            found = self._journal.insert_intents(*(each.intent for each in pending))
        except JournalUnavailable as error:
            log.exception("the order journal cannot be written")
            self.probe()
            _refuse(pending, error)
        except Exception as error:  # raised again to the caller that waits for the intent
            if len(pending) == 1:
                _refuse(pending, error)
            else:  # one intent is invalid: the others are committed without it
                for each in pending:
                    self._write_intents([each])
        else:
            for each, earlier in zip(pending, found, strict=True):
                each.written.set_result(earlier)

    def _refuse_pending(self, error: JournalUnavailable) -> None:
        _refuse(self._take_pending(), error)


def _refuse(pending: Sequence[_PendingIntent], error: Exception) -> None:
    for each in pending:
        each.written.set_exception(error)
