"""Stops and take profits that a real exchange does not know: what follows when their price comes.

OctoBot would enter such an order as filled at its trigger price, with a trade that never
was, and send a market order under another id, which a kill of the process could lose.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from decimal import Decimal
from typing import Any

from backend.bridge.ledger.bracket_state import siblings_of
from backend.bridge.ledger.ledger import Ledger
from backend.bridge.ledger.order_state import OPEN_STATUSES
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.octobot.exchange_errors import CommandOutcome, capture_outcome
from backend.bridge.octobot.order import Create, OctoBotOrder
from backend.bridge.octobot.patches.stop_restore import is_ours
from backend.bridge.orders.brackets import chain_exits
from backend.bridge.orders.factory import build
from backend.errors import ApiError, ExchangeRateLimited, OrderStateUnknown
from backend.ports.order_tracking import OrderTracking, Sending
from backend.schemas.orders import Order

_WRITTEN_WITHIN_S = 2
_LIMIT_FORMS = frozenset({"stop_limit", "take_profit_limit"})

log = logging.getLogger(__name__)


class TriggeredStops:
    """Sends the orders of one exchange that have triggered, each under its own id.

    That one is due is written down before its other half is canceled, that its sending
    begins before it is sent: a restart sends what is due, and asks for what was begun.
    `cancel` ends another order; `is_written_within` waits until what was entered would
    survive a kill; `keep` lets work go on until the bot is stopped. A strategy's stops stay
    OctoBot's.
    """

    def __init__(
        self,
        exchange: Exchange,
        ledger: Ledger,
        cancel: Callable[[str], Awaitable[Order]],
        is_written_within: Callable[[float], Awaitable[bool]],
        keep: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._exchange = exchange
        self._ledger = ledger
        self._cancel = cancel
        self._is_written_within = is_written_within
        self._keep = keep
        self._at_work: set[str] = set()

    def attend(self) -> None:
        """Take over what OctoBot will be given to watch from now on.

        What an earlier run was sending is in doubt, before OctoBot tells of trades.
        """
        for order, tracking in self._triggered():
            if tracking.sending == "begun" and not tracking.exchange_id:
                self._ledger.apply_event(order.id, "outcome_unknown")
        self._exchange.orders.intercept_creation(self._create_watched)

    async def _create_watched(
        self, order: OctoBotOrder, create: Create, *, loaded: bool
    ) -> OctoBotOrder | None:
        if not order.is_self_managed() or not is_ours(
            order.exchange_creation_params, order.order_id
        ):
            return await create()
        made = asyncio.Event()

        async def trigger(*_: object, **__: object) -> None:
            self._work(order.order_id, self._trigger(order, made))

        order.on_fill = trigger
        try:
            return await create()
        finally:
            made.set()

    def send_due(self) -> None:
        """Send what has triggered and has not got to the exchange."""
        for order, _ in self._triggered():
            if self._ledger.is_unsent(order.id) and order.id not in self._at_work:
                self._work(order.id, self._send(order.id))

    def _triggered(self) -> list[tuple[Order, OrderTracking]]:
        orders = [entry.item for entry in self._ledger.open_orders]
        tracked = [(order, self._ledger.tracking_of(order.id)) for order in orders]
        return [
            (order, tracking)
            for order, tracking in tracked
            if tracking.sending is not None and order.exchange == self._exchange.name
        ]

    def _work(self, order_id: str, work: Coroutine[Any, Any, None]) -> None:
        """Do one thing at a time for an order."""

        async def finish() -> None:
            try:
                await work
            except Exception:  # what is due is tried again, of what was begun the exchange is asked
                log.exception("stop %s is not sent", order_id)
                if not self._ledger.is_unsent(order_id):
                    self._ledger.apply_event(order_id, "outcome_unknown")
            finally:
                self._at_work.discard(order_id)

        if order_id in self._at_work:
            work.close()
        else:
            self._at_work.add(order_id)
            self._keep(finish())

    async def _trigger(self, held: OctoBotOrder, made: asyncio.Event) -> None:
        await made.wait()  # OctoBot may be in the middle of making it
        order_id = held.order_id
        if self._exchange.orders.get(order_id) is None or not held.is_open():
            return  # a cancel was first
        if self._ledger.orders.get(order_id) is None:
            self._ledger.record_order(held.to_dict(), self._exchange.name)
        self._note(order_id, "due")
        self._exchange.orders.drop(held)
        await self._send(order_id)

    async def _send(self, order_id: str) -> None:
        await self._written(order_id)
        entry = self._ledger.orders.get(order_id)
        if entry is None or not self._ledger.is_unsent(order_id):
            return  # it was canceled meanwhile
        order = entry.item
        if not await self._has_other_half_ended(order):
            return
        sold = sum((other.filled for other in siblings_of(order, self._ledger.orders)), Decimal(0))
        quantity = order.quantity - sold
        if quantity <= 0:
            self._ledger.apply_event(order.id, "withdrawn")
            return
        instance = await self._build(order, quantity)
        if instance is None or not self._ledger.is_unsent(order_id):
            return  # no price has come yet, or it was canceled meanwhile
        self._note(order_id, "begun")
        await self._written(order_id)
        await self._place(order, instance)

    def _note(self, order_id: str, sending: Sending) -> None:
        """Enter how far an order is that has triggered; OctoBot's own id of it means nothing."""
        tracking = replace(self._ledger.tracking_of(order_id), sending=sending, exchange_id=None)
        self._ledger.apply_event(order_id, "triggered", tracking)

    async def _written(self, order_id: str) -> None:
        if not await self._is_written_within(_WRITTEN_WITHIN_S):
            log.error("stop %s is sent though the journal cannot be written", order_id)

    async def _has_other_half_ended(self, order: Order) -> bool:
        """Cancel the other exit, which holds what this one sells; tell whether it has ended."""
        for other in siblings_of(order, self._ledger.orders):
            if other.status not in OPEN_STATUSES:
                continue
            try:
                await self._cancel(other.id)
            except ApiError as error:  # it is tried again soon, unless it has ended before
                log.warning("stop %s does not cancel its other half: %s", order.id, error.type)
        return all(
            other.status not in OPEN_STATUSES for other in siblings_of(order, self._ledger.orders)
        )

    async def _build(self, order: Order, quantity: Decimal) -> OctoBotOrder | None:
        """Build what the exchange does know, or return None while there is no price at all."""
        price = self._exchange.price(order.symbol) or order.stop_price
        if price is None:
            return None
        kind = "limit" if order.type in _LIMIT_FORMS else "market"
        plain = {"type": kind, "stop_price": None, "quantity": quantity, "remaining": quantity}
        instance = build(self._exchange, order.model_copy(update=plain), price)
        exits = self._ledger.tracking_of(order.id).exits
        await chain_exits(self._exchange, instance, exits, self._ledger)
        return instance

    async def _place(self, order: Order, instance: OctoBotOrder) -> None:
        exchange, created = self._exchange, None
        with capture_outcome() as failures:
            try:
                params = exchange.order_rules.exchange_params(order)
                created = await exchange.orders.place(instance, params)
            except Exception as error:  # what became of it is looked at below
                log.warning("stop %s is not sent: %s", order.id, type(error).__name__)
        if created is None:
            self._note_failure(order, failures)
        else:
            self._ledger.bind(order.id, str(created.exchange_order_id))
            self._ledger.update(order, "accepted", self._ledger.tracking_of(order.id))
            self._ledger.record_order(created.to_dict(), exchange.name)

    def _note_failure(self, order: Order, failures: CommandOutcome) -> None:
        """Enter a refusal only if the exchange spoke it; of all else it is asked.

        OctoBot also stumbles over itself, before or after it has sent an order: always
        when it is stopped meanwhile.
        """
        error = failures.as_error()
        if error is None or isinstance(error, OrderStateUnknown):
            self._ledger.apply_event(order.id, "outcome_unknown")
        elif isinstance(error, ExchangeRateLimited):
            self._note(order.id, "due")
        else:
            self._ledger.reject_exit(order.id)
