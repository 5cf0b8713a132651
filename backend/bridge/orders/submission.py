"""Submission of one new order: journal its intent, place it on the bot's loop, await the commit.

It passes from thread to thread and returns to the server's thread once. A return in
between would wait behind the server's other requests.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

from backend.bridge.context import BotContext
from backend.bridge.ledger.commit_wait import DONE_UNWRITTEN, LOOK_S, WAIT_S
from backend.bridge.ledger.outbox import Outbox
from backend.bridge.orders.intent_keys import refusal_json
from backend.bridge.runtime.work_queue import LoopEnded, Slot
from backend.errors import (
    ApiError,
    BotBusy,
    BotNotReady,
    JournalDown,
    OrderStateUnknown,
    PriceStale,
    TradingPaused,
)
from backend.ports.journal import Intent, JournalUnavailable
from backend.schemas.orders import Order

Placement = Callable[[str], Coroutine[Any, Any, Order]]
"""Places an order under the given id; a coroutine function of the bot's loop."""

_NO_JOURNAL = "orders are refused until the journal can be written again"
_DAMAGED = "orders are refused: the database is damaged and needs a backup to be restored"
# After these errors nothing was tried: the same key may be used again.
_NOT_TRIED = (BotNotReady, BotBusy, TradingPaused, JournalDown, PriceStale)

log = logging.getLogger(__name__)


class KeyTaken(Exception):
    """A key of the intent belongs to an earlier one."""

    def __init__(self, earlier: Intent) -> None:
        super().__init__(earlier.order_id)
        self.earlier = earlier


class OrderSubmitter:
    """Submits intents and stores their outcomes; may be used from any thread."""

    def __init__(self, context: BotContext) -> None:
        self._journal = context.journal
        self._outbox = context.outbox
        self._executor = context.runner.executor
        self._host = context.host

    def submit(self, intent: Intent, place: Placement) -> Order:
        """Place the order of an intent and return it once it is durable.

        Raises `KeyTaken`, `JournalDown` (nothing was sent then), `BotNotReady`,
        `BotBusy`, `OrderStateUnknown` (the intent stays open, and reconciliation
        settles it), and the errors of `place`.
        """
        self._require_journal()
        slot = self._executor.reserve()
        submission = _Submission(intent, slot, place, self._outbox)
        try:
            submission.start()
            return self._await(submission)
        except JournalUnavailable:
            raise JournalDown(_NO_JOURNAL) from None
        except OrderStateUnknown:
            raise
        except _NOT_TRIED:
            self._store(self._journal.delete_intent, intent.order_id)
            raise
        except ApiError as error:
            self._store(self._journal.mark_refused, intent.order_id, refusal_json(error))
            raise
        finally:
            slot.release()

    def _await(self, submission: _Submission) -> Order:
        """Wait for an order's placement, which continues after a timeout."""
        timeout_s = self._executor.timeout_s
        look_s, deadline = min(LOOK_S, timeout_s), time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError):
                return self._host.wait(submission.answer, look_s)
            if submission.is_placed:
                if not self._outbox.healthy:
                    break
            elif submission.has_waited(timeout_s):
                raise OrderStateUnknown("the exchange has not answered in time")
        raise OrderStateUnknown(DONE_UNWRITTEN)

    def _require_journal(self) -> None:
        if self._journal.damage is not None:
            raise JournalDown(_DAMAGED)
        if not self._outbox.healthy:
            raise JournalDown(_NO_JOURNAL)

    def _store(self, write: Callable[..., None], *args: Any) -> None:
        self._require_journal()
        try:
            self._host.call_blocking(write, *args)
        except JournalUnavailable:
            log.exception("the order journal cannot be written")
            self._outbox.probe()
            raise JournalDown(_NO_JOURNAL) from None


class _Submission:
    """One order in progress: outbox thread, bot's loop, outbox thread.

    `answer` is the order, once it is durable; else `KeyTaken`, `JournalUnavailable`,
    `BotNotReady` when the placement was not begun, `OrderStateUnknown`, or the
    placement's error. `is_placed` is set when only the commit is awaited.
    """

    def __init__(self, intent: Intent, slot: Slot[Order], place: Placement, outbox: Outbox) -> None:
        self._intent = intent
        self._slot = slot
        self._place = place
        self._outbox = outbox
        self._sent_at: float | None = None
        self.answer: concurrent.futures.Future[Order] = concurrent.futures.Future()
        self.is_placed = False

    def start(self) -> None:
        """Journal the intent; the other steps follow from that."""
        self._outbox.intend(self._intent).add_done_callback(self._send)

    def has_waited(self, seconds: float) -> bool:
        """Return whether the bot has had the order for longer than this."""
        return self._sent_at is not None and time.monotonic() - self._sent_at > seconds

    def _send(self, written: concurrent.futures.Future[Intent | None]) -> None:
        """Queue the placement on the bot's loop; on the outbox's thread."""
        try:
            earlier = written.result(0)
            if earlier is not None:
                raise KeyTaken(earlier)
            self._sent_at = time.monotonic()
            self._slot.submit(self._run())
        except LoopEnded:
            self.answer.set_exception(BotNotReady("the bot was stopped meanwhile"))
        except BaseException as error:  # raised by the caller that waits for `answer`
            self.answer.set_exception(error)
        else:
            self._slot.future.add_done_callback(self._note_failure)

    async def _run(self) -> Order:
        """Place the order, and set `answer` when the changes in the outbox are committed.

        The flush is queued before OctoBot continues with the order's consequences.
        """
        order = await self._place(self._intent.order_id)
        self.is_placed = True
        self._outbox.flush().add_done_callback(lambda _: self.answer.set_result(order))
        return order

    def _note_failure(self, placed: concurrent.futures.Future[Order]) -> None:
        """Set `answer` when the placement has failed, or will never be done."""
        if self.is_placed:
            return
        try:
            placed.result(0)
        except concurrent.futures.CancelledError:
            self.answer.set_exception(OrderStateUnknown("the bot was stopped meanwhile"))
        except (TimeoutError, asyncio.TimeoutError):
            self.answer.set_exception(OrderStateUnknown("the exchange has not answered in time"))
        except BaseException as error:  # as above
            self.answer.set_exception(error)
