"""Exactly one order per intent: keys, twins, and the journal's word before the bot's."""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import logging
import threading
import time
import uuid
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any

import orjson

from backend.bridge.context import BotContext
from backend.bridge.orders.recent_intents import RecentIntents
from backend.bridge.orders.submission import KeyTaken, OrderSubmission, Placement
from backend.errors import (
    ApiError,
    BotBusy,
    BotNotReady,
    DuplicateOrder,
    FieldError,
    JournalDown,
    OrderStateUnknown,
    TradingPaused,
)
from backend.ports.journal import Intent, JournalUnavailable
from backend.schemas.common import utc_now
from backend.schemas.orders import NewOrder, Order

_WAIT_S = 60.0
_LOOK_S = 0.5
_NO_JOURNAL = "orders are refused until the journal can be written again"
_DONE_UNWRITTEN = "it was done, but the journal cannot be written"
# These say that nothing was tried: the same key may be used again.
_NOT_TRIED = (BotNotReady, BotBusy, TradingPaused, JournalDown)

log = logging.getLogger(__name__)


class EarlierRefusal(ApiError):
    """The refusal that the same intent met the first time."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        fields = [FieldError(*field) for field in answer.get("fields", ())]
        super().__init__(answer.get("details"), fields=fields)
        self.status = int(answer["status"])
        self.type = str(answer["type"])


class IdempotentOrders:
    """Places each intent once; the public half runs on any thread.

    `in_flight` holds the ids of orders that somebody is placing right now.
    """

    def __init__(self, context: BotContext) -> None:
        self._journal = context.journal
        self._outbox = context.outbox
        self._ledger = context.ledger
        self._executor = context.runner.executor
        self._host = context.host
        self._answered = RecentIntents()
        self._lock = threading.Lock()
        self.in_flight: set[str] = set()
        self._running: dict[tuple[str, str], tuple[str, concurrent.futures.Future[Order]]] = {}

    def once(
        self,
        asked: NewOrder,
        user_id: str,
        idempotency_key: str | None,
        account: str,
        place: Placement,
    ) -> Order:
        """Place an order, or give what the same intent was answered the first time.

        `place(order_id)` runs on the bot's loop, at most once per intent, after the
        intent is in the journal. Twins that arrive meanwhile wait for the first.

        Raises `DuplicateOrder` when a key stands for another order, `JournalDown`
        when nothing can be written (nothing is sent then), `BotNotReady`, `BotBusy`,
        `OrderStateUnknown`, and what `place` raises.
        """
        content = asked.model_dump(mode="json")
        given = {name: value for name, value in content.items() if value is not None}
        intent = _intent(content, asked.client_order_id, user_id, idempotency_key, account, given)
        return self._once(intent, lambda: self._first(intent, place))

    def once_resolved(
        self,
        content: Mapping[str, Any],
        client_order_id: str | None,
        user_id: str,
        idempotency_key: str | None,
        account: str,
        resolve: Callable[[], NewOrder],
        place: Callable[[NewOrder, str], Coroutine[Any, Any, Order]],
    ) -> Order:
        """Do the same for a request whose order is only known when it is looked at closer.

        `content` is the request; `resolve` makes an order of it, unless the same
        request was answered before.
        """
        intent = _intent(content, client_order_id, user_id, idempotency_key, account, {})

        def first() -> Order:
            for key in intent.keys:
                earlier = self._host.call_blocking(
                    self._journal.find_intent, user_id, key, intent.created_at
                )
                if earlier is not None:
                    return self._answer_again(earlier, intent.fingerprint)
            asked = resolve()
            known = replace(intent, request=asked.model_dump(mode="json", exclude_none=True))
            return self._first(known, lambda order_id: place(asked, order_id))

        return self._once(intent, first)

    def _once(self, intent: Intent, first: Callable[[], Order]) -> Order:
        """Answer an intent, or wait for the answer to its twin."""
        earlier = self._answered.find(intent)
        if earlier is not None:
            return self._answer_again(earlier, intent.fingerprint)
        keys, user_id = intent.keys, intent.user_id
        mine: concurrent.futures.Future[Order] = concurrent.futures.Future()
        with self._lock:
            twin = next(
                (self._running[user_id, k] for k in keys if (user_id, k) in self._running), None
            )
            if twin is None:
                self._running.update({(user_id, key): (intent.fingerprint, mine) for key in keys})
                self.in_flight.add(intent.order_id)
        if twin is not None:
            return self._await_twin(twin, intent.fingerprint)
        try:
            order = first()
            if order.id == intent.order_id:
                self._answered.note(intent)
            mine.set_result(order)
            return order
        except BaseException as error:
            mine.set_exception(error)
            raise
        finally:
            with self._lock:
                self.in_flight.discard(intent.order_id)
                for key in keys:
                    self._running.pop((user_id, key), None)

    def wait_until_durable(self) -> None:
        """Wait until what was done so far would survive a kill of the process.

        Raises `OrderStateUnknown` when the journal cannot be written: it was done all the same.
        """
        done = self._outbox.flush()
        deadline = time.monotonic() + _WAIT_S
        while self._outbox.healthy and time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError):
                return self._host.wait(done, _LOOK_S)
        raise OrderStateUnknown(_DONE_UNWRITTEN)

    def _await_twin(
        self, twin: tuple[str, concurrent.futures.Future[Order]], fingerprint: str
    ) -> Order:
        if twin[0] != fingerprint:
            raise DuplicateOrder("the key stands for another order")
        try:
            return self._host.wait(twin[1], _WAIT_S)
        except TimeoutError:
            raise OrderStateUnknown("the first request with this key is still running") from None

    def _first(self, intent: Intent, place: Placement) -> Order:
        self._require_journal()
        slot = self._executor.reserve()
        try:
            return self._await(OrderSubmission(intent, slot, place, self._outbox))
        except KeyTaken as taken:
            return self._answer_again(taken.earlier, intent.fingerprint)
        except JournalUnavailable:
            raise JournalDown(_NO_JOURNAL) from None
        except OrderStateUnknown:
            raise  # the intent stays open: reconciliation settles it
        except _NOT_TRIED:
            self._write(self._journal.delete_intent, intent.order_id)
            raise
        except ApiError as error:
            self._write(self._journal.mark_refused, intent.order_id, _answer(error))
            raise
        finally:
            slot.release()

    def _await(self, errand: OrderSubmission) -> Order:
        """Wait for an order that is on its way; it goes on when that takes too long."""
        errand.begin()
        timeout_s = self._executor.timeout_s
        look_s, deadline = min(_LOOK_S, timeout_s), time.monotonic() + _WAIT_S
        while time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError):
                return self._host.wait(errand.answer, look_s)
            if errand.is_placed:
                if not self._outbox.healthy:
                    break
            elif errand.sent_at is not None and time.monotonic() - errand.sent_at > timeout_s:
                raise OrderStateUnknown("the exchange has not answered in time")
        raise OrderStateUnknown(_DONE_UNWRITTEN)

    def _answer_again(self, earlier: Intent, fingerprint: str) -> Order:
        if earlier.fingerprint != fingerprint:
            raise DuplicateOrder("the key stands for another order")
        if earlier.state == "refused" and earlier.answer is not None:
            raise EarlierRefusal(earlier.answer)
        entry = self._ledger.orders.get(earlier.order_id)
        if entry is not None:
            return entry.item
        stored = self._host.call_blocking(self._journal.find_order, order_id=earlier.order_id)
        if stored is None:
            raise OrderStateUnknown("what became of the first request is not known yet")
        return stored.order

    def _require_journal(self) -> None:
        if not self._outbox.healthy:
            raise JournalDown(_NO_JOURNAL)

    def _write(self, write: Callable[..., None], *args: Any) -> None:
        self._require_journal()
        try:
            self._host.call_blocking(write, *args)
        except JournalUnavailable:
            log.exception("the order journal cannot be written")
            self._outbox.probe()
            raise JournalDown(_NO_JOURNAL) from None


def _intent(
    content: Mapping[str, Any],
    client_order_id: str | None,
    user_id: str,
    idempotency_key: str | None,
    account: str,
    asked: Mapping[str, Any],
) -> Intent:
    keys = []
    if idempotency_key is not None:
        keys.append(f"header:{idempotency_key}")
    if client_order_id is not None:
        keys.append(f"client:{client_order_id}")
    return Intent(
        order_id=str(uuid.uuid4()),
        user_id=user_id,
        keys=tuple(keys),
        fingerprint=_fingerprint(content),
        request=asked,
        account=account,
        created_at=utc_now(),
    )


def _fingerprint(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _answer(error: ApiError) -> dict[str, Any]:
    return {
        "status": error.status,
        "type": error.type,
        "details": error.details,
        "fields": [list(field) for field in error.fields],
    }
