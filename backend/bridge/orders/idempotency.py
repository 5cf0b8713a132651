"""Idempotency of new orders: the same key and body return the first result for 24 hours."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, NamedTuple

from backend.bridge.context import BotContext
from backend.bridge.orders.intent_keys import EarlierRefusal
from backend.bridge.orders.recent_intents import RecentIntents
from backend.bridge.orders.submission import KeyTaken, OrderSubmitter, Placement
from backend.errors import DuplicateOrder, OrderStateUnknown
from backend.ports.journal import Intent
from backend.schemas.orders import NewOrder, Order

_TWIN_WAIT_S = 60.0


class _Running(NamedTuple):
    fingerprint: str
    answer: concurrent.futures.Future[Order]


class IdempotentOrders:
    """Places each intent once; `place` and `place_resolved` may be called from any thread.

    `in_flight` holds the ids of the orders that are being placed or refused right now.
    """

    def __init__(self, context: BotContext) -> None:
        self._journal = context.journal
        self._ledger = context.ledger
        self._host = context.host
        self._submitter = OrderSubmitter(context)
        self._recent = RecentIntents()
        self._lock = threading.Lock()
        self._running: dict[tuple[str, str], _Running] = {}
        self.in_flight: set[str] = set()

    def place(self, intent: Intent, place: Placement) -> Order:
        """Place an order, or return the result of the same intent's first placement.

        `place(order_id)` runs on the bot's loop, at most once per intent, after the intent is in
        the journal. Identical requests that arrive meanwhile wait for the first.

        Raises `DuplicateOrder` when a key belongs to another order, and the errors of
        `OrderSubmitter.submit`.
        """
        return self._once(intent, lambda: self._submit(intent, place))

    def place_resolved(
        self,
        intent: Intent,
        resolve: Callable[[], NewOrder],
        place: Callable[[NewOrder, str], Coroutine[Any, Any, Order]],
    ) -> Order:
        """Do the same for a request whose order depends on the present state.

        `resolve` makes the order, unless the same request was completed before.
        """

        def first() -> Order:
            for key in intent.keys:
                earlier = self._host.call_blocking(
                    self._journal.find_intent, intent.user_id, key, intent.created_at
                )
                if earlier is not None:
                    return self._answer_again(earlier, intent)
            asked = resolve()
            known = replace(intent, request=asked.model_dump(mode="json", exclude_none=True))
            return self._submit(known, lambda order_id: place(asked, order_id))

        return self._once(intent, first)

    def _submit(self, intent: Intent, place: Placement) -> Order:
        try:
            return self._submitter.submit(intent, place)
        except KeyTaken as taken:
            return self._answer_again(taken.earlier, intent)

    def _once(self, intent: Intent, first: Callable[[], Order]) -> Order:
        earlier = self._recent.find(intent)
        if earlier is not None:
            return self._answer_again(earlier, intent)
        answer: concurrent.futures.Future[Order] = concurrent.futures.Future()
        twin = self._enter(intent, answer)
        if twin is not None:
            return self._await_twin(twin, intent)
        try:
            order = first()
            if order.id == intent.order_id:
                self._recent.add(intent)
            answer.set_result(order)
            return order
        except BaseException as error:
            answer.set_exception(error)
            raise
        finally:
            self._leave(intent)

    def _enter(self, intent: Intent, answer: concurrent.futures.Future[Order]) -> _Running | None:
        """Claim the keys of an intent, or return the running placement that has one of them."""
        places = [(intent.user_id, key) for key in intent.keys]
        with self._lock:
            twin = next((self._running[place] for place in places if place in self._running), None)
            if twin is None:
                self._running.update(dict.fromkeys(places, _Running(intent.fingerprint, answer)))
                self.in_flight.add(intent.order_id)
        return twin

    def _leave(self, intent: Intent) -> None:
        with self._lock:
            self.in_flight.discard(intent.order_id)
            for key in intent.keys:
                self._running.pop((intent.user_id, key), None)

    def _await_twin(self, twin: _Running, intent: Intent) -> Order:
        if twin.fingerprint != intent.fingerprint:
            raise DuplicateOrder("the key stands for another order")
        try:
            return self._host.wait(twin.answer, _TWIN_WAIT_S)
        except TimeoutError:
            raise OrderStateUnknown("the first request with this key is still running") from None

    def _answer_again(self, earlier: Intent, intent: Intent) -> Order:
        """Return the present state of the earlier intent's order, or raise its refusal."""
        if earlier.fingerprint != intent.fingerprint:
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
