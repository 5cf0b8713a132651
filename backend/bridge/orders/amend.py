"""Amendment of an open order: checked first, so that a refused change has no effect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from backend.bridge.context import BotContext
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.octobot.exchange_errors import capture_outcome
from backend.bridge.octobot.order import OctoBotOrder
from backend.bridge.orders.brackets import resize_exits
from backend.bridge.orders.execution import OrderExecution
from backend.bridge.orders.factory import is_marketable
from backend.bridge.orders.pricing import market_price
from backend.bridge.orders.validation import refusals
from backend.errors import (
    FieldError,
    OrderNotOpen,
    OrderStateUnknown,
    PriceWouldTakeAtOnce,
    ValidationFailed,
)
from backend.schemas.common import utc_now
from backend.schemas.order_commands import ChangedOrder, OrderChange
from backend.schemas.orders import NewOrder, Order

_KEPT = {"symbol", "side", "type", "quantity", "price", "stop_price", "valid_until"}


async def change_order(
    context: BotContext, execution: OrderExecution, order_id: str, change: OrderChange
) -> ChangedOrder:
    """Amend an open order on the bot's loop."""
    order = await execution.get_open(order_id)
    if order.status == "unknown":
        raise OrderStateUnknown("what became of the order is not known yet")
    exchange = context.runner.exchange(order.exchange)
    asked, price = await _check(context, exchange, order, change)
    held = execution.held_order(order)
    if held is None or not held.can_be_edited():
        raise OrderNotOpen("the order cannot be changed any more")
    exchange_id = held.exchange_order_id
    params = exchange.order_mapping.change_params(order, exchange_id)
    async with context.mode.amending(exchange, held, order, asked):
        await _amend(exchange, held, asked, price, params)
    _record(context, execution.get(order_id), asked, held)
    execution.expiry.watch(execution.get(order_id))
    # a cancel at the same time may have made the outcome unknown
    changed = await execution.look_up(order_id)
    method = "edited" if held.exchange_order_id == exchange_id else "replaced"
    return ChangedOrder.model_validate({"order": changed, "method": method})


async def _check(
    context: BotContext, exchange: Exchange, order: Order, change: OrderChange
) -> tuple[NewOrder, Decimal]:
    """Return the amended order and the market's price; raise the rule that forbids the change."""
    asked = _as_new_order(order, change)
    price = await market_price(context, exchange, asked)
    broken = [*context.pre_trade.broken_by_change(asked, price), *refusals(exchange, asked, price)]
    if broken:
        raise broken[0]
    _check_taker(asked, price)
    return asked, price


def _record(context: BotContext, order: Order, asked: NewOrder, held: OctoBotOrder) -> None:
    """Record an order's new quantity and prices."""
    ledger = context.ledger
    tracking = replace(ledger.tracking_of(order.id), exchange_id=held.exchange_order_id)
    context.portfolio.mark_outdated()
    amended = {
        "quantity": asked.quantity,
        "remaining": asked.quantity - order.filled,
        "price": asked.price,
        "stop_price": asked.stop_price,
        "valid_until": asked.valid_until,
        "updated_at": utc_now(),
    }
    tracking = resize_exits(ledger, tracking, asked.quantity, held)
    ledger.update(order.model_copy(update=amended), "amended", tracking)


async def _amend(
    exchange: Exchange,
    held: OctoBotOrder,
    asked: NewOrder,
    price: Decimal,
    params: Mapping[str, Any],
) -> None:
    with capture_outcome() as outcome:
        try:
            await exchange.orders.amend(
                held,
                quantity=asked.quantity,
                price=exchange.order_mapping.price(asked, price),
                stop_price=asked.stop_price,
                params=params,
            )
        except OrderNotOpen:
            raise
        except Exception as error:  # raised again, as the client's error if there was one
            # OctoBot turns the exchange's error into None and then fails on that
            raise outcome.as_error() or error from None


def _as_new_order(order: Order, change: OrderChange) -> NewOrder:
    """Return the new-order request that is equivalent to the amended order."""
    wrong = [
        FieldError(field, f"is not taken by a {order.type} order")
        for field in ("price", "stop_price")
        if getattr(change, field) is not None and getattr(order, field) is None
    ]
    if order.type == "trailing_stop" and change.stop_price is not None:
        wrong.append(FieldError("stop_price", "a trailing stop moves by itself"))
    if wrong:
        raise ValidationFailed(fields=wrong)
    given = change.model_dump(exclude_none=True)
    kept = order.model_dump(include=_KEPT)
    return NewOrder.model_validate({**kept, **given})


def _check_taker(asked: NewOrder, price: Decimal) -> None:
    if asked.type == "limit" and asked.price and is_marketable(asked.side, asked.price, price):
        raise PriceWouldTakeAtOnce("price: the market is there already; cancel and place anew")
