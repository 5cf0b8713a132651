"""The trading desk: places, changes and cancels orders on the bot's loop."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from decimal import Decimal

from backend.bridge.context import BotContext
from backend.bridge.ledger.history import Entry
from backend.bridge.ledger.order_state import OPEN_STATUSES
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.octobot.exchange_errors import capture_outcome
from backend.bridge.octobot.order import OctoBotOrder
from backend.bridge.octobot.order_lookup import LookUpFailed
from backend.bridge.orders.brackets import chain_exits, resize_exits, tracking_for
from backend.bridge.orders.factory import build, exits_of, new_order
from backend.bridge.orders.lookup import settle
from backend.bridge.orders.validation import refusals
from backend.errors import (
    BridgeError,
    ExchangeRefused,
    ExchangeUnreachable,
    OrderNotFound,
    OrderNotOpen,
    OrderStateUnknown,
    TradingPaused,
)
from backend.ports.order_tracking import OrderTracking
from backend.schemas.common import utc_now
from backend.schemas.orders import NewOrder, Order

_END_LOOKS = 50
_END_LOOK_S = 0.01
IN_DOUBT = (OrderStateUnknown, OrderNotOpen)
"""What says that an order at the exchange may be another than the one that the ledger has."""


class OrderExecution:
    """Everything here is a coroutine of the bot's loop, and sees OctoBot's objects."""

    def __init__(self, context: BotContext) -> None:
        self._runner = context.runner
        self._ledger = context.ledger
        self._portfolios = context.portfolio
        self._pre_trade = context.pre_trade

    async def place(self, asked: NewOrder, order_id: str) -> Order:
        """Place an order under this id, with its exits, and return it as it stands."""
        with self._runner.counters.placing(asked):
            return await self._admit(asked, order_id)

    async def _admit(self, asked: NewOrder, order_id: str) -> Order:
        exchange = self._runner.exchange(asked.exchange)
        price = await exchange.market.wait_for_price(asked.symbol)
        with self._pre_trade.check(asked, price, order_id):
            if self._runner.status.state == "paused" and not asked.reduce_only:
                raise TradingPaused("resume the bot to place orders")
            broken = refusals(exchange, asked, price)
            if broken:
                raise broken[0]
            return await self._place(exchange, asked, order_id, price)

    async def _place(
        self, exchange: Exchange, asked: NewOrder, order_id: str, price: Decimal
    ) -> Order:
        entry = new_order(asked, order_id, exchange.name)
        exits = exits_of(asked, entry)
        built = build(exchange, entry, price)
        await chain_exits(exchange, built, exits, self._ledger)
        try:
            await self._submit(exchange, built, entry, tracking_for(entry, exits, price))
        except BridgeError:
            for order in exits:
                self._ledger.forget(order.id)
            raise
        return self.known(order_id).item

    async def cancel(self, order_id: str) -> Order:
        """Cancel an open order and return it as it ended."""
        order = await self.open_order(order_id)
        if self._ledger.is_unsent(order_id):
            self._ledger.apply_event(order_id, "withdrawn")
            return self.known(order_id).item
        exchange, refusal = self._runner.exchange(order.exchange), None
        held = self.held_order(order)
        if held is not None:
            refusal = await _cancel_at(exchange, held)
            self._ledger.record_order(held.to_dict(), exchange.name)
            self._portfolios.mark_outdated()
            if isinstance(refusal, IN_DOUBT):
                self._ledger.apply_event(order_id, "outcome_unknown")
        ended = await self.settled(order_id)
        if refusal is None:
            ended = await self._ended(order_id)
        if ended.status == "unknown":
            raise OrderStateUnknown("what became of the order is not known yet")
        if ended.status in OPEN_STATUSES:
            raise refusal or ExchangeRefused("the exchange did not cancel the order")
        return ended

    async def open_order(self, order_id: str) -> Order:
        """Return an open order; the exchange is asked about one in doubt.

        Raises `OrderNotOpen` if it had ended before.
        """
        order = await self.settled(order_id)
        if order.status not in OPEN_STATUSES:
            raise OrderNotOpen(f"the order is {order.status}")
        return order

    async def settled(self, order_id: str) -> Order:
        """Return an order, without a doubt if the exchange answers."""
        order = self.known(order_id).item
        if order.status == "unknown":
            with contextlib.suppress(LookUpFailed):
                await settle(self._runner.exchange(order.exchange), self._ledger, order)
        return self.known(order_id).item

    def known(self, order_id: str) -> Entry[Order]:
        """Return an order of the ledger. Raises `OrderNotFound`."""
        entry = self._ledger.orders.get(order_id)
        if entry is None:
            raise OrderNotFound("no order has this id")
        return entry

    def held_order(self, order: Order) -> OctoBotOrder | None:
        """Return the OctoBot order that an open order of ours is, or None."""
        orders = self._runner.exchange(order.exchange).orders
        return orders.find(order.id, self._ledger.tracking_of(order.id).exchange_id)

    def note_change(self, order_id: str, asked: NewOrder, held: OctoBotOrder) -> None:
        """Enter an order's new quantity and prices into the ledger."""
        order = self.known(order_id).item
        tracking = replace(self._ledger.tracking_of(order_id), exchange_id=held.exchange_order_id)
        self._portfolios.mark_outdated()
        self._ledger.update(
            order.model_copy(
                update={
                    "quantity": asked.quantity,
                    "remaining": asked.quantity - order.filled,
                    "price": asked.price,
                    "stop_price": asked.stop_price,
                    "updated_at": utc_now(),
                }
            ),
            "amended",
            resize_exits(self._ledger, tracking, asked.quantity, held),
        )

    async def _ended(self, order_id: str) -> Order:
        """Return an order, giving OctoBot a moment to tell that it has ended."""
        for _ in range(_END_LOOKS):
            if self.known(order_id).item.status not in OPEN_STATUSES:
                break
            await asyncio.sleep(_END_LOOK_S)
        return self.known(order_id).item

    async def _submit(
        self, exchange: Exchange, built: OctoBotOrder, order: Order, tracking: OrderTracking
    ) -> None:
        self._ledger.expect(order, tracking)
        try:
            created = await self._create(exchange, built, order)
        except OrderStateUnknown:
            exchange_id = self._ledger.tracking_of(order.id).exchange_id
            tracking = replace(tracking, exchange_id=exchange_id)
            self._ledger.create(order, tracking, "outcome_unknown")
            raise
        except BridgeError:
            exchange.orders.drop(built)
            raise
        else:
            self._ledger.record_order(created.to_dict(), exchange.name)
        finally:
            self._ledger.forget(order.id)
            self._portfolios.mark_outdated()

    async def _create(self, exchange: Exchange, built: OctoBotOrder, order: Order) -> OctoBotOrder:
        with capture_outcome() as outcome:
            try:
                params = exchange.order_rules.exchange_params(order)
                return await exchange.orders.place(built, params)
            except Exception as error:  # raised again, as the client's error if there was one
                if outcome.accepted_id is not None:
                    self._ledger.bind(order.id, outcome.accepted_id)
                raise outcome.as_error() or error from None


async def _cancel_at(exchange: Exchange, held: OctoBotOrder) -> BridgeError | None:
    """Cancel an order; return why the exchange did not, None if it did or the order had ended."""
    with capture_outcome() as outcome:
        try:
            canceled = await exchange.orders.cancel(held)
        except OrderNotOpen:  # the ledger says how it ended
            return None
        except ExchangeUnreachable as error:
            return outcome.as_error() or error
    return None if canceled else outcome.as_error()
