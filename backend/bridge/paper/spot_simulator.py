"""Patch of the simulator's fills: only with funds, and stops and take profits at the market."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import replace
from decimal import Decimal
from typing import Any

from backend.bridge.ledger.ledger import Ledger
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.octobot.exchange_orders import is_market
from backend.bridge.octobot.order import Create, OctoBotOrder
from backend.bridge.octobot.order_errors import creation_refused
from backend.bridge.octobot.trader_hooks import fill_as_maker
from backend.bridge.orders.factory import build
from backend.bridge.paper.fill_model import FillModel
from backend.bridge.paper.spot_funds import SpotFunds
from backend.errors import BridgeError, InsufficientFunds
from backend.schemas.orders import Order

log = logging.getLogger(__name__)
_LIMIT_FORMS = frozenset({"stop_limit", "take_profit_limit"})


def fill_stops_at_market(
    exchange: Exchange, ledger: Ledger, funds: SpotFunds | None, model: FillModel
) -> None:
    """Patch the simulator to fill stops and take profits at the market, and only if funds suffice.

    OctoBot's simulator locks no funds for them, fills them at their trigger price even
    across a gap, and reports orders filled when the funds are insufficient. `funds` are those
    of a spot account.
    """

    async def create_patched(
        order: OctoBotOrder, create: Create, *, loaded: bool
    ) -> OctoBotOrder | None:
        if model.is_active and is_market(order) and not await model.plan(exchange, order):
            raise creation_refused("nothing is on offer")
        _patch_fill(order, exchange, ledger, funds, model)
        try:
            created = await create()
        except Exception:  # raised again
            ledger.executions.pop(order.order_id, None)
            if order.triggered_by is not None:
                ledger.reject_exit(order.order_id)
            raise
        await exchange.orders.cancel_if_spent(order)
        return created

    exchange.orders.intercept_creation(create_patched)
    for order in exchange.orders.all():  # of strategies that were faster
        _patch_fill(order, exchange, ledger, funds, model)
        if funds is not None and order.is_counted_in_available_funds():
            with contextlib.suppress(InsufficientFunds):  # decided again when it fills
                funds.lock(order)


def _patch_fill(
    order: OctoBotOrder,
    exchange: Exchange,
    ledger: Ledger,
    funds: SpotFunds | None,
    model: FillModel,
) -> None:
    fill = order.on_fill

    async def fill_if_covered(*args: Any, **kwargs: Any) -> None:
        price, locks = order.origin_price, order.is_counted_in_available_funds()
        if not locks:
            known = ledger.orders.get(order.order_id)
            if known is not None and known.item.type in _LIMIT_FORMS:
                await _turn_into_limit(order, known.item, exchange, ledger)
                return
            price = exchange.price(order.symbol) or price
            if model.is_active and await _plan_stop(order, exchange, model):
                price = order.origin_price
            if not order.is_open():
                ledger.executions.pop(order.order_id, None)
                return  # canceled while the order book was fetched
        elif model.is_active and not is_market(order):
            fill_as_maker(order)
        if _is_covered(order, exchange, price, funds):
            order.filled_price = price
            order.origin_price = price  # OctoBot deducts the funds at this price
            await fill(*args, **kwargs)
            if funds is not None and not locks:
                funds.release(order)  # of a fill that OctoBot ignored
        else:
            ledger.executions.pop(order.order_id, None)
            ledger.expected_ends[order.order_id] = "rejected"
            await exchange.orders.cancel(order)

    order.on_fill = fill_if_covered


async def _plan_stop(order: OctoBotOrder, exchange: Exchange, model: FillModel) -> bool:
    """Plan a triggered stop; return False when the order book cannot be read or is empty."""
    try:
        return await model.plan(exchange, order)
    except BridgeError as error:  # the last price protects better than no fill
        log.warning("a stop in %s fills at the last price: %s", order.symbol, error.type)
        return False


async def _turn_into_limit(
    order: OctoBotOrder, known: Order, exchange: Exchange, ledger: Ledger
) -> None:
    """Replace a triggered stop limit by its limit order, under the same id."""
    group = order.order_group
    order.clear_active_order_elements()
    exchange.orders.drop(order)
    price = exchange.price(known.symbol) or order.origin_price
    limit = build(exchange, known.model_copy(update={"type": "limit", "stop_price": None}), price)
    if group is not None:
        limit.add_to_order_group(group)
    tracking = replace(ledger.tracking_of(known.id), is_triggered=True)
    ledger.apply_event(known.id, "triggered", tracking)
    try:
        await exchange.orders.place(limit)
    except BridgeError:
        exchange.orders.drop(limit)
        ledger.apply_event(known.id, "refused")


def _is_covered(
    order: OctoBotOrder, exchange: Exchange, price: Decimal, funds: SpotFunds | None
) -> bool:
    if funds is None:
        return exchange.account.covers(order, price)
    return funds.reserve(order, price)
