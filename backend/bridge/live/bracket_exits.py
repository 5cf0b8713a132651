"""Restoration of bracket exits at a real exchange after OctoBot has lost them."""

from __future__ import annotations

import logging
from datetime import timedelta

from backend.bridge.ledger.bracket_state import has_sibling_ended
from backend.bridge.ledger.ledger import Ledger
from backend.bridge.ledger.order_state import OPEN_STATUSES
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.octobot.exchange_errors import capture_outcome
from backend.bridge.octobot.order import OctoBotOrder
from backend.bridge.octobot.order_lookup import FoundOrder, LookUpFailed
from backend.bridge.orders.brackets import chain_exits, less_fee
from backend.bridge.orders.factory import build
from backend.bridge.orders.oco import oco_group_of
from backend.errors import BridgeError
from backend.ports.order_tracking import UNTRACKED, OrderTracking
from backend.schemas.common import utc_now
from backend.schemas.orders import Order

_PLACED_WITHIN = timedelta(seconds=45)
"""OctoBot places exits when their entry fills, and loses those not placed when it stops."""

log = logging.getLogger(__name__)


class BracketExits:
    """The exits at one real exchange in one run of the bot; used on the bot's loop."""

    def __init__(self, exchange: Exchange, ledger: Ledger) -> None:
        self._exchange = exchange
        self._ledger = ledger
        self._obsolete: set[str] = set()
        self._unplaced_entries = {order.parent_order_id for order in self._due()}

    async def adopt_sent(self) -> None:
        """Enter exits that a crash kept from being recorded; called before OctoBot reports."""
        for order in self._due():
            try:
                found = await self._look_up(order)
            except LookUpFailed as error:
                log.warning("exit %s cannot be looked up: %s", order.id, error)
                continue
            if found is not None:
                tracking = OrderTracking(group=order.parent_order_id, exchange_id=found.exchange_id)
                self._ledger.create(order, tracking, "outcome_unknown")

    async def restore_watched(self) -> None:
        """Restore the stops that OctoBot watched itself, unless they have triggered since."""
        orders = self._exchange.orders
        for entry in reversed(self._ledger.open_orders):
            order = entry.item
            if order.exchange != self._exchange.name or order.status == "unknown":
                continue
            is_sending = self._ledger.tracking_of(order.id).sending is not None
            if not is_sending and orders.get(order.id) is None:
                await self._watch(order)

    async def _watch(self, order: Order) -> None:
        exchange, ledger = self._exchange, self._ledger
        tracking = ledger.tracking_of(order.id)
        price = exchange.price(order.symbol) or order.stop_price
        built = None if price is None else build(exchange, order, price, takes=False)
        if built is None or not built.is_self_managed():
            return
        if tracking.group is not None:
            built.add_to_order_group(oco_group_of(exchange, ledger, tracking.group))
        await chain_exits(exchange, built, tracking.exits, ledger)
        await exchange.orders.place(built)

    async def attach(self, order: Order) -> None:
        """Restore the group and the exits of an order that OctoBot has loaded from the exchange."""
        tracking = self._ledger.tracking_of(order.id)
        if order.status == "filled":
            self._unplaced_entries.add(order.id)
        if tracking.group is None and not tracking.exits:
            return
        held = self._held_order(order)
        if held is None:
            return
        if tracking.group is not None:
            held.add_to_order_group(oco_group_of(self._exchange, self._ledger, tracking.group))
        if not held.chained_orders:
            await chain_exits(self._exchange, held, tracking.exits, self._ledger)

    async def place_and_cancel(self) -> None:
        """Place the exits that OctoBot has lost; cancel those whose sibling has ended."""
        for order in self._due():
            entry = self._ledger.orders.get(order.parent_order_id or "")
            since = utc_now() if entry is None else entry.item.updated_at
            if (
                order.parent_order_id in self._unplaced_entries
                or utc_now() - since > _PLACED_WITHIN
            ):
                await self._place(order)
        obsolete, self._obsolete = self._obsolete, set()
        for entry in self._ledger.open_orders:
            if self._ledger.tracking_of(entry.item.id).sending is not None:
                continue  # it has canceled its sibling itself
            if has_sibling_ended(entry.item, self._ledger.orders):
                self._obsolete.add(entry.item.id)
                held = self._held_order(entry.item)
                # its own end may be about to be reported otherwise
                if held is not None and entry.item.id in obsolete:
                    await self._cancel(held)

    async def _look_up(self, order: Order) -> FoundOrder | None:
        """Look up an exit that the ledger does not have yet. Raises `LookUpFailed`."""
        return await self._exchange.lookup.look_up(order, UNTRACKED, self._ledger.is_bound)

    def _due(self) -> list[Order]:
        name = self._exchange.name
        return [
            order
            for order in self._ledger.brackets.due(self._ledger.is_known)
            if order.exchange == name
        ]

    async def _place(self, order: Order) -> None:
        """Place an exit unless it was sent; its outcome is unknown until that is clear."""
        exchange, ledger = self._exchange, self._ledger
        try:
            was_sent = await self._look_up(order) is not None
        except LookUpFailed as error:
            log.warning("exit %s cannot be looked up: %s", order.id, error)
            return
        price = exchange.price(order.symbol)
        if price is None:
            return
        order = less_fee(exchange, ledger, order)
        ledger.create(order, OrderTracking(group=order.parent_order_id), "outcome_unknown")
        if not was_sent:
            built = build(exchange, order, price)
            built.add_to_order_group(oco_group_of(exchange, ledger, order.parent_order_id or ""))
            await self._send(order, built)

    async def _send(self, order: Order, built: OctoBotOrder) -> None:
        exchange, created = self._exchange, None
        with capture_outcome() as outcome:
            try:
                params = exchange.order_mapping.exchange_params(order)
                created = await exchange.orders.place(built, params)
            except Exception as error:  # the outcome is checked below
                log.warning("exit %s is not placed: %s", order.id, type(error).__name__)
        if created is not None:
            self._ledger.bind(order.id, str(created.exchange_order_id))
            self._ledger.update(order, "accepted")
            self._ledger.record_order(created.to_dict(), exchange.name)
        elif not outcome.is_ambiguous:
            self._ledger.reject_exit(order.id)

    async def _cancel(self, held: OctoBotOrder) -> None:
        try:
            if not await self._exchange.orders.cancel(held):
                log.warning("exit %s is not canceled", held.order_id)
        except BridgeError as error:
            log.warning("exit %s is not canceled: %s", held.order_id, error.type)

    def _held_order(self, order: Order) -> OctoBotOrder | None:
        """Return the OctoBot order, under our id or under the exchange's, or None."""
        if order.status not in OPEN_STATUSES or order.exchange != self._exchange.name:
            return None
        exchange_id = self._ledger.tracking_of(order.id).exchange_id
        return self._exchange.orders.find(order.id, exchange_id)
