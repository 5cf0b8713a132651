"""One thread that commits what happened to the journal and then tells the streams, in order.

Nothing is shown to a client before it would survive a kill of the process.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from backend.accounting.decimals import EXACT, ZERO
from backend.ports.events import Event, EventSink
from backend.ports.journal import (
    Batch,
    Intent,
    JournalEvent,
    JournalUnavailable,
    OrderJournal,
    StoredOrder,
    StoredPosition,
    StoredTrade,
)
from backend.schemas.topics import JOURNALLED, Topic

_MOST_AT_ONCE = 500
_RETRY_S = 0.5

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Change:
    """One step of the ledger: rows to commit, then events to publish or a snapshot to load.

    `balance` (account, asset, amount) changes a total without a trade. A change
    that `probes` is committed though it holds nothing.
    """

    order: StoredOrder | None = None
    trade: StoredTrade | None = None
    position: StoredPosition | None = None
    balance: tuple[str, str, Decimal] | None = None
    accepted: str | None = None
    lost: str | None = None
    baseline: tuple[str, Decimal] | None = None
    memo: tuple[str, Mapping[str, Any]] | None = None
    events: tuple[Event, ...] = ()
    snapshot: tuple[Topic, Mapping[str, tuple[str | None, bytes]]] | None = None
    done: concurrent.futures.Future[None] | None = None
    probes: bool = False


class _PendingIntent(NamedTuple):
    intent: Intent
    written: concurrent.futures.Future[Intent | None]


class Outbox:
    """Takes changes and intents from any thread without waiting; commits them in groups.

    Changes are tried until they are committed, intents once.
    """

    def __init__(self, journal: OrderJournal, sink: EventSink) -> None:
        self._journal = journal
        self._sink = sink
        self._queue: queue.SimpleQueue[tuple[Change, ...] | None] = queue.SimpleQueue()
        self._wishes: deque[_PendingIntent] = deque()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._closing = threading.Event()
        self.healthy = True
        self._thread.start()

    def put(self, *changes: Change) -> None:
        """Queue changes; those of one call are committed together."""
        self._queue.put(changes)

    def intend(self, intent: Intent) -> concurrent.futures.Future[Intent | None]:
        """Queue an intent; done when it is committed, with the earlier one if that has its key.

        It fails with `JournalUnavailable` when it cannot be written now.
        """
        written: concurrent.futures.Future[Intent | None] = concurrent.futures.Future()
        self._wishes.append(_PendingIntent(intent, written))
        self.put()
        if not self._thread.is_alive():
            self._refuse_wishes(JournalUnavailable("the journal is closed"))
        return written

    def durable(self) -> concurrent.futures.Future[None]:
        """Return a future that is done when everything queued so far is committed."""
        done: concurrent.futures.Future[None] = concurrent.futures.Future()
        self.put(Change(done=done))
        return done

    async def is_written_within(self, timeout_s: float) -> bool:
        """Wait on a loop until everything queued so far is committed; False if that takes longer.

        A loop that was held up meanwhile is not the journal's fault.
        """
        done = self.durable()
        await asyncio.wait([asyncio.wrap_future(done)], timeout=timeout_s)
        return done.done()

    def suspect(self) -> None:
        """Note that somebody else could not write the journal; it is tried until it can be."""
        self.healthy = False
        self.put(Change(probes=True))

    def close(self) -> None:
        """Commit what waits and end the thread."""
        self._closing.set()
        self._queue.put(None)
        self._thread.join(10)

    def _run(self) -> None:
        open_ = True
        while open_:
            first = self._queue.get()
            changes, open_ = self._take(first)
            self._write_intents(self._take_wishes())
            numbers = iter(self._commit(changes))
            for change in changes:
                numbered = [
                    (event, next(numbers, None) if event.topic in JOURNALLED else None)
                    for event in change.events
                ]
                self._tell(change, numbered)
        self._refuse_wishes(JournalUnavailable("the journal is closed"))

    def _take(self, first: tuple[Change, ...] | None) -> tuple[list[Change], bool]:
        changes: list[Change] = []
        item = first
        while item is not None:
            changes.extend(item)
            if len(changes) >= _MOST_AT_ONCE:
                return changes, True
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return changes, True
        return changes, False

    def _commit(self, changes: Sequence[Change]) -> Sequence[int]:
        """Commit and return the numbers of the events, none if that became impossible."""
        numbers: Sequence[int] = ()
        batch = _batch(changes)
        baselines = [change.baseline for change in changes if change.baseline is not None]
        while batch is not None or baselines:
            try:
                if batch is not None:
                    numbers = self._journal.record(batch)
                for account, value in baselines:
                    self._journal.set_baseline(account, value)
            except JournalUnavailable as error:
                if self.healthy:
                    log.exception("the order journal cannot be written")
                self.healthy = False
                self._refuse_wishes(error)
                if self._closing.is_set():
                    return ()
                time.sleep(_RETRY_S)
            else:
                self.healthy = True
                break
        return numbers

    def _take_wishes(self) -> Sequence[_PendingIntent]:
        wishes = []
        with contextlib.suppress(IndexError):
            while True:
                wishes.append(self._wishes.popleft())
        return wishes

    def _write_intents(self, wishes: Sequence[_PendingIntent]) -> None:
        """Commit intents together; who waits for one is called right here."""
        if not wishes:
            return
        try:
            found = self._journal.insert_intents(*(wish.intent for wish in wishes))
        except JournalUnavailable as error:
            log.exception("the order journal cannot be written")
            self.suspect()
            _refuse(wishes, error)
        except Exception as error:  # raised again where the intent is waited for
            if len(wishes) == 1:
                _refuse(wishes, error)
            else:  # it is one's defect: the others do not suffer for it
                for wish in wishes:
                    self._write_intents([wish])
        else:
            for wish, earlier in zip(wishes, found, strict=True):
                wish.written.set_result(earlier)

    def _refuse_wishes(self, error: JournalUnavailable) -> None:
        _refuse(self._take_wishes(), error)

    def _tell(self, change: Change, events: Sequence[tuple[Event, int | None]]) -> None:
        try:
            if change.snapshot is not None:
                self._sink.replace_snapshot(*change.snapshot)
            for event, number in events:
                self._sink.publish(event, number)
        except Exception:  # it is committed: who waits for that must not wait for a client
            log.exception("an event could not be published")
        if change.done is not None and change.done.set_running_or_notify_cancel():
            change.done.set_result(None)


def _refuse(wishes: Sequence[_PendingIntent], error: Exception) -> None:
    for wish in wishes:
        wish.written.set_exception(error)


def _batch(changes: Sequence[Change]) -> Batch | None:
    """Merge changes: an order's or position's last state wins."""
    orders: dict[str, StoredOrder] = {}
    positions: dict[tuple[str, str], StoredPosition] = {}
    balances: dict[str, dict[str, Decimal]] = {}
    trades: list[StoredTrade] = []
    events: list[JournalEvent] = []
    memos: dict[str, Mapping[str, Any]] = {}
    accepted, lost = [], []
    for change in changes:
        if change.order is not None:
            orders[change.order.order.id] = change.order
        if change.trade is not None:
            trades.append(change.trade)
        if change.position is not None:
            positions[change.position.account, change.position.symbol] = change.position
        if change.balance is not None:
            account, asset, amount = change.balance
            of_account = balances.setdefault(account, {})
            of_account[asset] = EXACT.add(of_account.get(asset, ZERO), amount)
        if change.accepted is not None:
            accepted.append(change.accepted)
        if change.lost is not None:
            lost.append(change.lost)
        if change.memo is not None:
            memos.update([change.memo])
        events.extend(
            JournalEvent(e.topic, e.name, e.key, e.symbol, e.data, e.item is None)
            for e in change.events
            if e.topic in JOURNALLED
        )
    batch = Batch(
        orders=tuple(orders.values()),
        trades=trades,
        positions=tuple(positions.values()),
        balances=balances,
        accepted=accepted,
        lost=lost,
        events=events,
        bot_state=memos,
    )
    probes = any(change.probes for change in changes)
    return batch if probes or not batch.is_empty else None
