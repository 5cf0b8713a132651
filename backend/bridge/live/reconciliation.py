"""Reconciliation of the ledger with a real exchange after a crash or a lost response."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace

from backend.bridge.ledger.ledger import Ledger
from backend.bridge.live.bracket_exits import BracketExits
from backend.bridge.live.stale_orders import StaleOrders
from backend.bridge.live.triggered_stops import TriggeredStops
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.octobot.order_lookup import LookUpFailed
from backend.bridge.orders.lookup import resolve_unknown
from backend.schemas.orders import Order

_EVERY_S = 1.0
GIVE_UP_AFTER_S = 30.0
log = logging.getLogger(__name__)


class Reconciliation:
    """Resolves the unknown orders of one real exchange periodically; used on the bot's loop only.

    An order that a working exchange has not known for `give_up_after_s` was never
    placed, unless the exchange has given it an id before.
    """

    def __init__(
        self,
        exchange: Exchange,
        ledger: Ledger,
        exits: BracketExits,
        stops: TriggeredStops,
        give_up_after_s: float,
    ) -> None:
        self._exchange = exchange
        self._ledger = ledger
        self._exits = exits
        self._stops = stops
        self._stale = StaleOrders(exchange, ledger)
        self._give_up_after_s = give_up_after_s
        self._missing_since: dict[str, float] = {}

    def mark_missing(self) -> None:
        """Mark orders of the ledger as unknown that are not among the exchange's open orders."""
        exchange, ledger = self._exchange, self._ledger
        held = {str(order.exchange_order_id) for order in exchange.orders.all()}
        for entry in ledger.open_orders:
            order, exchange_id = entry.item, ledger.tracking_of(entry.item.id).exchange_id
            if order.exchange != exchange.name or exchange.orders.get(order.id) is not None:
                continue
            if ledger.is_unsent(order.id):
                continue
            if str(exchange_id) not in held:
                ledger.apply_event(order.id, "outcome_unknown")

    async def run(self) -> None:
        """Reconcile every second, until the bot stops."""
        for entry in self._ledger.open_orders:
            await self._exits.attach(entry.item)
        while True:
            try:
                self._stale.mark()
                await self._resolve_all()
                self._record_amended()
                await self._exits.place_and_cancel()
                self._stops.send_due()
            except Exception:  # nothing else resolves them: the loop continues
                log.exception("orders could not be reconciled")
            await asyncio.sleep(_EVERY_S)

    async def _resolve_all(self) -> None:
        exchange, ledger = self._exchange, self._ledger
        for entry in ledger.open_orders:
            order = entry.item
            if order.status == "unknown" and order.exchange == exchange.name:
                await self._resolve(order)
                resolved = ledger.orders.get(order.id)
                if resolved is not None:
                    await self._exits.attach(resolved.item)
                held = [(each.to_dict(), exchange.name) for each in exchange.orders.all()]
                ledger.retry_unmatched(held)

    async def _resolve(self, order: Order) -> None:
        has_exchange_id = self._ledger.tracking_of(order.id).exchange_id is not None
        try:
            is_found = await resolve_unknown(self._exchange, self._ledger, order)
        except LookUpFailed as error:
            log.warning("order %s cannot be looked up: %s", order.id, error)
            self._missing_since.pop(order.id, None)
            return
        now = time.monotonic()
        if is_found or has_exchange_id:
            return
        if now - self._missing_since.setdefault(order.id, now) > self._give_up_after_s:
            del self._missing_since[order.id]
            self._give_up(order.id)

    def _give_up(self, order_id: str) -> None:
        """Reject an order that was never placed; a stop that has triggered is sent again."""
        tracking = self._ledger.tracking_of(order_id)
        if tracking.sending is not None:
            self._ledger.apply_event(order_id, "requeued", replace(tracking, sending="due"))
        else:
            self._ledger.apply_event(order_id, "refused")

    def _record_amended(self) -> None:
        """Record OctoBot's state of the amended orders: it does not report every change."""
        exchange, ledger = self._exchange, self._ledger
        for entry in ledger.open_orders:
            tracking = ledger.tracking_of(entry.item.id)
            if tracking.exchange_id and tracking.is_edited and entry.item.exchange == exchange.name:
                held = exchange.orders.by_exchange_id(tracking.exchange_id)
                if held is not None:
                    ledger.record_order(held.to_dict(), exchange.name)
