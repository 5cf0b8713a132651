"""Patch of the simulator's spot fills: stops and take profits fill at the market's price."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from backend.bridge.ledger.ledger import Ledger
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.octobot.order import Create, OctoBotOrder
from backend.bridge.orders.factory import build
from backend.errors import BridgeError
from backend.schemas.orders import Order

_LIMIT_FORMS = frozenset({"stop_limit", "take_profit_limit"})


def fill_stops_at_market(exchange: Exchange, ledger: Ledger) -> None:
    """Patch the simulator to fill stops and take profits at the market, and only if funds suffice.

    OctoBot's simulator locks no funds for them, fills them at their trigger price even
    across a gap, and reports them filled when the funds are insufficient.
    """

    async def create_patched(
        order: OctoBotOrder, create: Create, *, loaded: bool
    ) -> OctoBotOrder | None:
        if exchange.is_futures or not order.is_counted_in_available_funds():
            _patch_fill(order, exchange, ledger)
        try:
            created = await create()
        except Exception:  # raised again
            if order.triggered_by is not None:
                ledger.reject_exit(order.order_id)
            raise
        await exchange.orders.cancel_if_spent(order)
        return created

    exchange.orders.intercept_creation(create_patched)


def _patch_fill(order: OctoBotOrder, exchange: Exchange, ledger: Ledger) -> None:
    fill = order.on_fill

    async def fill_at_market(*args: Any, **kwargs: Any) -> None:
        known = ledger.orders.get(order.order_id)
        if known is not None and known.item.type in _LIMIT_FORMS:
            await _turn_into_limit(order, known.item, exchange, ledger)
            return
        price = order.origin_price
        if not order.is_counted_in_available_funds():
            price = exchange.price(order.symbol) or price
        if _is_covered(order, exchange, price):
            order.filled_price = price
            order.origin_price = price  # OctoBot deducts the funds at this price
            await fill(*args, **kwargs)
        else:
            ledger.expect_rejection(order.order_id)
            await exchange.orders.cancel(order)

    order.on_fill = fill_at_market


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


def _is_covered(order: OctoBotOrder, exchange: Exchange, price: Decimal) -> bool:
    if exchange.is_futures:
        return exchange.account.covers(order, price)
    base, quote = order.symbol.split("/")
    if order.side.value == "sell":
        available = exchange.account.available(base) + _freed(order, "quantity")
        return available >= order.origin_quantity
    fee = exchange.orders.taker_fee(order, order.origin_quantity, price)
    available = exchange.account.available(quote) + _freed(order, "cost")
    return available >= order.origin_quantity * price + fee


def _freed(order: OctoBotOrder, what: str) -> Decimal:
    """Return the amount locked by the orders that this one's fill cancels."""
    if order.order_group is None:
        return Decimal(0)
    total = Decimal(0)
    for other in order.order_group.get_group_open_orders():
        if other is not order and other.is_counted_in_available_funds():
            price = Decimal(1) if what == "quantity" else other.origin_price
            total += other.origin_quantity * price
    return total
