"""Execution of place and cancel commands on the bot's loop, with OctoBot and the ledger."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from backend.bridge.context import BotContext
from backend.bridge.ledger.order_state import OPEN_STATUSES
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.octobot.exchange_errors import capture_outcome
from backend.bridge.octobot.order import OctoBotOrder
from backend.bridge.octobot.order_lookup import LookUpFailed
from backend.bridge.orders.brackets import chain_exits, tracking_for
from backend.bridge.orders.expiry import OrderExpiry
from backend.bridge.orders.factory import build, exits_of, new_order
from backend.bridge.orders.lookup import resolve_unknown
from backend.bridge.orders.pricing import market_price
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
from backend.schemas.orders import NewOrder, Order

_END_LOOKS = 50
_END_LOOK_S = 0.01
AMBIGUOUS = (OrderStateUnknown, OrderNotOpen)
"""Errors after which the order at the exchange may differ from the one in the ledger."""


class OrderExecution:
    """Places and cancels orders; every coroutine runs on the bot's loop."""

    def __init__(self, context: BotContext) -> None:
        self._context = context
        self._runner = context.runner
        self._ledger = context.ledger
        self._portfolios = context.portfolio
        self._pre_trade = context.pre_trade
        self._mode = context.mode
        self.expiry = OrderExpiry(context.runner, context.ledger, self.cancel)

    async def place(self, asked: NewOrder, order_id: str) -> Order:
        """Place an order under this id, with its exits, and return its present state."""
        with self._runner.counters.placing(asked):
            exchange = self._runner.exchange(asked.exchange)
            price = await market_price(self._context, exchange, asked)
            with self._pre_trade.check(asked, price, order_id):
                if self._runner.status.state == "paused" and not asked.reduce_only:
                    raise TradingPaused("resume the bot to place orders")
                broken = refusals(exchange, asked, price)
                if broken:
                    raise broken[0]
                order = new_order(asked, order_id, exchange.name)
                await self._send(exchange, order, exits_of(asked, order), price)
        return self.get(order_id)

    async def _send(
        self, exchange: Exchange, order: Order, exits: Sequence[Order], price: Decimal
    ) -> None:
        """Place an order through OctoBot and record its outcome."""
        takes = await self._mode.takes(exchange, order)
        built = build(exchange, order, price, takes=takes)
        await chain_exits(exchange, built, exits, self._ledger)
        tracking = tracking_for(order, exits, price)
        self._ledger.expect(order, tracking)
        try:
            created = await self._create(exchange, built, order)
        except BridgeError as error:
            if isinstance(error, OrderStateUnknown):
                exchange_id = self._ledger.tracking_of(order.id).exchange_id
                tracking = replace(tracking, exchange_id=exchange_id)
                self._ledger.create(order, tracking, "outcome_unknown")
            else:
                exchange.orders.drop(built)
            for exit_ in exits:
                self._ledger.forget(exit_.id)
            raise
        else:
            self._ledger.record_order(created.to_dict(), exchange.name)
            await self._mode.end_unfilled(exchange, created, order)
            self.expiry.watch(order)
        finally:
            self._ledger.forget(order.id)
            self._portfolios.mark_outdated()

    async def _create(self, exchange: Exchange, built: OctoBotOrder, order: Order) -> OctoBotOrder:
        with capture_outcome() as outcome:
            try:
                params = exchange.order_mapping.exchange_params(order)
                return await exchange.orders.place(built, params)
            except Exception as error:  # raised again, as the client's error if there was one
                if outcome.accepted_id is not None:
                    self._ledger.bind(order.id, outcome.accepted_id)
                raise outcome.as_error() or error from None

    async def cancel(self, order_id: str) -> Order:
        """Cancel an open order and return its final state."""
        order = await self.get_open(order_id)
        if self._ledger.is_unsent(order_id):
            self._ledger.apply_event(order_id, "withdrawn")
            return self.get(order_id)
        refusal = await self._cancel_held(order)
        ended = await self.look_up(order_id)
        if refusal is None:
            ended = await self._wait_for_end(order_id)
        if ended.status == "unknown":
            raise OrderStateUnknown("what became of the order is not known yet")
        if ended.status in OPEN_STATUSES:
            raise refusal or ExchangeRefused("the exchange did not cancel the order")
        await self._mode.settle_end(self._runner.exchange(ended.exchange), order_id)
        return self.get(order_id)

    async def _cancel_held(self, order: Order) -> BridgeError | None:
        """Cancel the OctoBot order, if there is one; return the exchange's reason if it did not."""
        held = self.held_order(order)
        if held is None:
            return None
        exchange = self._runner.exchange(order.exchange)
        refusal = await _cancel_at(exchange, held)
        self._ledger.record_order(held.to_dict(), exchange.name)
        self._portfolios.mark_outdated()
        if isinstance(refusal, AMBIGUOUS):
            self._ledger.apply_event(order.id, "outcome_unknown")
        return refusal

    async def _wait_for_end(self, order_id: str) -> Order:
        """Return an order, giving OctoBot a moment to report that it has ended."""
        for _ in range(_END_LOOKS):
            if self.get(order_id).status not in OPEN_STATUSES:
                break
            await asyncio.sleep(_END_LOOK_S)
        return self.get(order_id)

    # ---- orders of the ledger and of OctoBot

    def get(self, order_id: str) -> Order:
        """Return an order of the ledger. Raises `OrderNotFound`."""
        entry = self._ledger.orders.get(order_id)
        if entry is None:
            raise OrderNotFound("no order has this id")
        return entry.item

    async def get_open(self, order_id: str) -> Order:
        """Return an open order, looked up first if its outcome is unknown.

        Raises `OrderNotOpen` if it had ended before.
        """
        order = await self.look_up(order_id)
        if order.status not in OPEN_STATUSES:
            raise OrderNotOpen(f"the order is {order.status}")
        return order

    async def look_up(self, order_id: str) -> Order:
        """Return an order; one whose outcome is unknown is looked up at its exchange first.

        It stays unknown if the exchange does not respond.
        """
        order = self.get(order_id)
        if order.status == "unknown":
            with contextlib.suppress(LookUpFailed):
                await resolve_unknown(self._runner.exchange(order.exchange), self._ledger, order)
        return self.get(order_id)

    def held_order(self, order: Order) -> OctoBotOrder | None:
        """Return the OctoBot order that corresponds to an open order of ours, or None."""
        orders = self._runner.exchange(order.exchange).orders
        return orders.find(order.id, self._ledger.tracking_of(order.id).exchange_id)


async def _cancel_at(exchange: Exchange, held: OctoBotOrder) -> BridgeError | None:
    """Cancel an order; return the reason if it may still be open, else None."""
    with capture_outcome() as outcome:
        try:
            canceled = await exchange.orders.cancel(held)
        except OrderNotOpen:  # the ledger has its final state
            return None
        except ExchangeUnreachable as error:
            return outcome.as_error() or error
    return None if canceled and outcome.is_accepted else outcome.as_error()
