"""Brackets at a real exchange, put together again after OctoBot has forgotten them."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import octobot_trading.errors as trading_errors

from backend.bridge.ledger.bracket_state import has_sibling_ended
from backend.bridge.ledger.ledger import Ledger
from backend.bridge.ledger.order_state import OPEN_STATUSES
from backend.bridge.octobot.conversion import last_price
from backend.bridge.octobot.exchange_errors import capture_outcome
from backend.bridge.orders.brackets import chain_exits, less_fee
from backend.bridge.orders.factory import build, exchange_params
from backend.bridge.orders.lookup import UNANSWERED, find_order
from backend.bridge.orders.oco import oco_group_of
from backend.ports.order_tracking import OrderTracking
from backend.schemas.common import utc_now
from backend.schemas.orders import Order

_PLACED_WITHIN = timedelta(seconds=45)
"""OctoBot places exits when their entry fills; what it has not placed by then it has lost."""

log = logging.getLogger(__name__)


class BracketExits:
    """The exits of one real exchange in one run of the bot; used on the bot's loop."""

    def __init__(self, manager: Any, ledger: Ledger) -> None:
        self._manager = manager
        self._ledger = ledger
        self._left: set[str] = set()
        self._forgotten = {order.parent_order_id for order in self._due()}

    async def recall(self) -> None:
        """Enter the exits that were sent, but not entered before a crash; before OctoBot tells."""
        for order in self._due():
            try:
                raw = await find_order(self._manager, order, None)
            except UNANSWERED as error:
                log.warning("exit %s cannot be looked up: %s", order.id, type(error).__name__)
                continue
            if raw is not None:
                tracking = OrderTracking(group=order.parent_order_id, exchange_id=str(raw["id"]))
                self._ledger.create(order, tracking, "outcome_unknown")

    async def put_back(self) -> None:
        """Give OctoBot again the stops that it watched itself, unless they have triggered since."""
        orders = self._manager.exchange_personal_data.orders_manager
        for entry in reversed(self._ledger.open_orders):
            order = entry.item
            if order.exchange != self._manager.exchange_name or order.status == "unknown":
                continue
            is_sending = self._ledger.tracking_of(order.id).sending is not None
            if not is_sending and not orders.has_order(order.id):
                await self._watch_again(order)

    async def _watch_again(self, order: Order) -> None:
        manager, ledger = self._manager, self._ledger
        tracking = ledger.tracking_of(order.id)
        price = last_price(manager, order.symbol) or order.stop_price
        instance = None if price is None else build(manager, order, price, resting=True)
        if instance is None or not instance.is_self_managed():
            return
        if tracking.group is not None:
            instance.add_to_order_group(oco_group_of(manager, ledger, tracking.group))
        await chain_exits(manager, instance, tracking.exits, ledger)
        await manager.trader.create_order(instance, raise_all_creation_error=True)

    async def attach(self, order: Order) -> None:
        """Tell OctoBot what belongs to an order that it has loaded from the exchange."""
        tracking = self._ledger.tracking_of(order.id)
        if order.status == "filled":
            self._forgotten.add(order.id)
        if tracking.group is None and not tracking.exits:
            return
        instance = self._instance_of(order)
        if instance is None:
            return
        if tracking.group is not None:
            instance.add_to_order_group(oco_group_of(self._manager, self._ledger, tracking.group))
        if not instance.chained_orders:
            await chain_exits(self._manager, instance, tracking.exits, self._ledger)

    async def look_after(self) -> None:
        """Place the exits that nobody else will place; cancel those whose other half has ended."""
        for order in self._due():
            entry = self._ledger.orders.get(order.parent_order_id or "")
            since = utc_now() if entry is None else entry.item.updated_at
            if order.parent_order_id in self._forgotten or utc_now() - since > _PLACED_WITHIN:
                await self._place(order)
        left, self._left = self._left, set()
        for entry in self._ledger.open_orders:
            if self._ledger.tracking_of(entry.item.id).sending is not None:
                continue  # it has ended the other half itself
            if has_sibling_ended(entry.item, self._ledger.orders):
                self._left.add(entry.item.id)
                instance = self._instance_of(entry.item)
                # or else its own end may be about to be told
                if instance is not None and entry.item.id in left:
                    await self._cancel(instance)

    def _due(self) -> list[Order]:
        name = self._manager.exchange_name
        return [order for order in self._ledger.due_exits() if order.exchange == name]

    async def _place(self, order: Order) -> None:
        """Place an exit, unless it was; one of which that is uncertain is entered as unknown."""
        manager, ledger = self._manager, self._ledger
        try:
            was_sent = await find_order(manager, order, None) is not None
        except UNANSWERED as error:
            log.warning("exit %s cannot be looked up: %s", order.id, type(error).__name__)
            return
        price = last_price(manager, order.symbol)
        if price is None:
            return
        order = less_fee(manager, ledger, order)
        ledger.create(order, OrderTracking(group=order.parent_order_id), "outcome_unknown")
        if not was_sent:
            instance = build(manager, order, price)
            instance.add_to_order_group(oco_group_of(manager, ledger, order.parent_order_id or ""))
            await self._send(order, instance)

    async def _send(self, order: Order, instance: Any) -> None:
        manager, params = self._manager, exchange_params(self._manager, order)
        with capture_outcome() as failures:
            try:
                created = await manager.trader.create_order(
                    instance, params=params, raise_all_creation_error=True
                )
            except Exception as error:  # what became of it is looked at below
                log.warning("exit %s is not placed: %s", order.id, type(error).__name__)
                created = None
        if created is not None:
            self._ledger.bind(order.id, str(created.exchange_order_id))
            self._ledger.update(order, "accepted")
            self._ledger.record_order(created.to_dict(), manager.exchange_name)
        elif not failures.is_ambiguous:
            self._ledger.reject_exit(order.id)

    async def _cancel(self, instance: Any) -> None:
        try:
            await self._manager.trader.cancel_order(instance)
        except (trading_errors.OctoBotExchangeError, trading_errors.OrderCancelError) as error:
            log.warning("exit %s is not canceled: %s", instance.order_id, type(error).__name__)

    def _instance_of(self, order: Order) -> Any:
        """Return OctoBot's order, if it holds it: under our id, or under the exchange's."""
        orders = self._manager.exchange_personal_data.orders_manager
        exchange_id = self._ledger.tracking_of(order.id).exchange_id
        if order.status not in OPEN_STATUSES or order.exchange != self._manager.exchange_name:
            return None
        if orders.has_order(order.id):
            return orders.get_order(order.id)
        if exchange_id and orders.has_order(None, exchange_order_id=exchange_id):
            return orders.get_order(None, exchange_order_id=exchange_id)
        return None
