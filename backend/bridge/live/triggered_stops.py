"""Stops and take profits of types that a real exchange lacks, sent by the bot when they trigger.

OctoBot would enter such an order as filled at its trigger price, with a trade that never happened,
and send a market order under another id, which a kill of the process could lose.
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

_FLUSH_WITHIN_S = 2
_LIMIT_FORMS = frozenset({"stop_limit", "take_profit_limit"})

log = logging.getLogger(__name__)


class TriggeredStops:
    """Sends the orders of one exchange that have triggered, each under its own id.

    `due` is committed before the sibling is canceled, `begun` before the order is sent: a restart
    sends due orders, and looks up begun ones. `cancel` cancels another order; `flush_within` waits
    until the recorded changes would survive a kill; `create_task` starts a task that ends with the
    bot's run. The stops of strategies are left to OctoBot.
    """

    def __init__(
        self,
        exchange: Exchange,
        ledger: Ledger,
        cancel: Callable[[str], Awaitable[Order]],
        flush_within: Callable[[float], Awaitable[bool]],
        create_task: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._exchange = exchange
        self._ledger = ledger
        self._cancel = cancel
        self._flush_within = flush_within
        self._create_task = create_task
        self._in_progress: set[str] = set()

    def take_over(self) -> None:
        """Intercept the orders that OctoBot is given to watch from now on.

        Orders that an earlier run was sending are marked unknown, before OctoBot reports trades.
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
        is_created = asyncio.Event()

        async def trigger(*_: object, **__: object) -> None:
            self._run_once(order.order_id, self._trigger(order, is_created))

        order.on_fill = trigger
        try:
            return await create()
        finally:
            is_created.set()

    def send_due(self) -> None:
        """Send the triggered orders that have not reached the exchange."""
        for order, _ in self._triggered():
            if self._ledger.is_unsent(order.id) and order.id not in self._in_progress:
                self._run_once(order.id, self._send(order.id))

    def _triggered(self) -> list[tuple[Order, OrderTracking]]:
        orders = [entry.item for entry in self._ledger.open_orders]
        tracked = [(order, self._ledger.tracking_of(order.id)) for order in orders]
        return [
            (order, tracking)
            for order, tracking in tracked
            if tracking.sending is not None and order.exchange == self._exchange.name
        ]

    def _run_once(self, order_id: str, work: Coroutine[Any, Any, None]) -> None:
        """Run a task for an order, unless another one for it is in progress."""

        async def finish() -> None:
            try:
                await work
            except Exception:  # due orders are retried, begun ones are looked up
                log.exception("stop %s is not sent", order_id)
                if not self._ledger.is_unsent(order_id):
                    self._ledger.apply_event(order_id, "outcome_unknown")
            finally:
                self._in_progress.discard(order_id)

        if order_id in self._in_progress:
            work.close()
        else:
            self._in_progress.add(order_id)
            self._create_task(finish())

    async def _trigger(self, held: OctoBotOrder, is_created: asyncio.Event) -> None:
        await is_created.wait()  # OctoBot may still be creating it
        order_id = held.order_id
        if self._exchange.orders.get(order_id) is None or not held.is_open():
            return  # it was canceled before
        if self._ledger.orders.get(order_id) is None:
            self._ledger.record_order(held.to_dict(), self._exchange.name)
        self._mark(order_id, "due")
        self._exchange.orders.drop(held)
        await self._send(order_id)

    async def _send(self, order_id: str) -> None:
        await self._flush(order_id)
        entry = self._ledger.orders.get(order_id)
        if entry is None or not self._ledger.is_unsent(order_id):
            return  # it was canceled meanwhile
        order = entry.item
        if not await self._cancel_siblings(order):
            return
        sold = sum((other.filled for other in siblings_of(order, self._ledger.orders)), Decimal(0))
        quantity = order.quantity - sold
        if quantity <= 0:
            self._ledger.apply_event(order.id, "withdrawn")
            return
        built = await self._build(order, quantity)
        if built is None or not self._ledger.is_unsent(order_id):
            return  # no price has come yet, or it was canceled meanwhile
        self._mark(order_id, "begun")
        await self._flush(order_id)
        await self._place(order, built)

    def _mark(self, order_id: str, sending: Sending) -> None:
        """Record the progress of a triggered order; OctoBot's own id of it is meaningless."""
        tracking = replace(self._ledger.tracking_of(order_id), sending=sending, exchange_id=None)
        self._ledger.apply_event(order_id, "triggered", tracking)

    async def _flush(self, order_id: str) -> None:
        if not await self._flush_within(_FLUSH_WITHIN_S):
            log.error("stop %s is sent though the journal cannot be written", order_id)

    async def _cancel_siblings(self, order: Order) -> bool:
        """Cancel the other exit, which locks what this one sells; return whether it has ended."""
        for other in siblings_of(order, self._ledger.orders):
            if other.status not in OPEN_STATUSES:
                continue
            try:
                await self._cancel(other.id)
            except ApiError as error:  # retried soon, unless the sibling had ended before
                log.warning("stop %s does not cancel its sibling: %s", order.id, error.type)
        return all(
            other.status not in OPEN_STATUSES for other in siblings_of(order, self._ledger.orders)
        )

    async def _build(self, order: Order, quantity: Decimal) -> OctoBotOrder | None:
        """Build an order of a type that the exchange has; None while there is no price at all."""
        price = self._exchange.price(order.symbol) or order.stop_price
        if price is None:
            return None
        kind = "limit" if order.type in _LIMIT_FORMS else "market"
        plain = {"type": kind, "stop_price": None, "quantity": quantity, "remaining": quantity}
        built = build(self._exchange, order.model_copy(update=plain), price)
        exits = self._ledger.tracking_of(order.id).exits
        await chain_exits(self._exchange, built, exits, self._ledger)
        return built

    async def _place(self, order: Order, built: OctoBotOrder) -> None:
        exchange, created = self._exchange, None
        with capture_outcome() as outcome:
            try:
                params = exchange.order_mapping.exchange_params(order)
                created = await exchange.orders.place(built, params)
            except Exception as error:  # the outcome is checked below
                log.warning("stop %s is not sent: %s", order.id, type(error).__name__)
        if created is None:
            self._record_failure(order, outcome)
        else:
            self._ledger.bind(order.id, str(created.exchange_order_id))
            self._ledger.update(order, "accepted", self._ledger.tracking_of(order.id))
            self._ledger.record_order(created.to_dict(), exchange.name)

    def _record_failure(self, order: Order, outcome: CommandOutcome) -> None:
        """Record a refusal only if the exchange made it; look up the order otherwise.

        OctoBot also fails by itself, before or after it has sent an order: always when
        it is stopped meanwhile.
        """
        error = outcome.as_error()
        if error is None or isinstance(error, OrderStateUnknown):
            self._ledger.apply_event(order.id, "outcome_unknown")
        elif isinstance(error, ExchangeRateLimited):
            self._mark(order.id, "due")
        else:
            self._ledger.reject_exit(order.id)
