"""One order on its way: into the journal, to the bot, into the journal, back to who asked.

It goes from thread to thread and comes back to the server once. A return in between would
wait behind all that the server is asked meanwhile.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from collections.abc import Callable, Coroutine
from typing import Any

from backend.bridge.ledger.outbox import Outbox
from backend.bridge.runtime.work_queue import LoopEnded, Slot
from backend.errors import BotNotReady, OrderStateUnknown
from backend.ports.journal import Intent
from backend.schemas.orders import Order

Placement = Callable[[str], Coroutine[Any, Any, Order]]


class KeyTaken(Exception):
    """A key of the intent belongs to an earlier one."""

    def __init__(self, earlier: Intent) -> None:
        super().__init__(earlier.order_id)
        self.earlier = earlier


class OrderSubmission:
    """Has `work(order_id)` done in its place on the bot's loop, after the intent is durable.

    `answer` is the order, once that is durable too; else `KeyTaken`, `JournalUnavailable`,
    `BotNotReady` when the work was not begun, `OrderStateUnknown`, or what the work raised.
    `sent_at` is when the bot got it, `is_placed` whether it is done but for the journal.
    """

    def __init__(self, intent: Intent, slot: Slot[Order], work: Placement, outbox: Outbox) -> None:
        self._intent = intent
        self._slot = slot
        self._work = work
        self._outbox = outbox
        self.answer: concurrent.futures.Future[Order] = concurrent.futures.Future()
        self.sent_at: float | None = None
        self.is_placed = False

    def begin(self) -> None:
        """Set out; from any thread."""
        self._outbox.intend(self._intent).add_done_callback(self._send)

    def _send(self, written: concurrent.futures.Future[Intent | None]) -> None:
        """Hand the work to the bot; on the outbox's thread."""
        try:
            earlier = written.result(0)
            if earlier is not None:
                raise KeyTaken(earlier)
            self.sent_at = time.monotonic()
            self._slot.submit(self._run())
        except LoopEnded:
            self.answer.set_exception(BotNotReady("the bot was stopped meanwhile"))
        except BaseException as error:  # it is raised where the answer is waited for
            self.answer.set_exception(error)
        else:
            self._slot.future.add_done_callback(self._note_failure)

    async def _run(self) -> Order:
        """Do the work, and have the answer follow what the journal now waits to commit.

        That is said before OctoBot goes on with what else the order brings about.
        """
        order = await self._work(self._intent.order_id)
        self.is_placed = True
        durable = self._outbox.flush()
        durable.add_done_callback(lambda _durable: self.answer.set_result(order))
        return order

    def _note_failure(self, placed: concurrent.futures.Future[Order]) -> None:
        """Answer when the work has failed, or will not be done any more."""
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
