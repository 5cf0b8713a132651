"""Changes to an open order: checked first, so that a refused change leaves it as it was."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import octobot_trading.errors as trading_errors

from backend.bridge.context import BotContext
from backend.bridge.octobot.conversion import ZERO
from backend.bridge.octobot.exchange_errors import capture_outcome
from backend.bridge.octobot.order_errors import translate_order_errors
from backend.bridge.octobot.patches.futures_trader import REDUCING
from backend.bridge.orders.execution import IN_DOUBT, OrderExecution
from backend.bridge.orders.factory import is_marketable, octobot_price
from backend.bridge.orders.preview import expected_fee
from backend.bridge.orders.validation import price_of, refusals
from backend.errors import (
    FieldError,
    InsufficientFunds,
    OrderNotOpen,
    OrderStateUnknown,
    PriceWouldTakeAtOnce,
    ValidationFailed,
)
from backend.schemas.order_commands import ChangedOrder, OrderChange
from backend.schemas.orders import NewOrder, Order


async def change_order(
    context: BotContext, execution: OrderExecution, order_id: str, change: OrderChange
) -> ChangedOrder:
    """Change an open order on the bot's loop."""
    order = await execution.open_order(order_id)
    if order.status == "unknown":
        raise OrderStateUnknown("what became of the order is not known yet")
    manager = context.runner.exchange(order.exchange)
    asked = _as_asked(order, change)
    price = await price_of(manager, order.symbol)
    broken = [*context.pre_trade.broken_by_change(asked, price), *refusals(manager, asked, price)]
    if broken:
        raise broken[0]
    _check_taker(asked, price)
    instance = execution.instance_of(order)
    if instance is None or not instance.can_be_edited():
        raise OrderNotOpen("the order cannot be changed any more")
    if manager.is_trader_simulated:
        _check_funds(manager, instance, order, asked)
    exchange_id = instance.exchange_order_id
    if not manager.is_trader_simulated and not instance.is_self_managed():
        execution.note_edit(order_id)
    try:
        await _edit(manager, instance, order, asked, price)
    except IN_DOUBT:
        if not manager.is_trader_simulated:
            await execution.look_again(order_id)
        raise
    method = "edited" if instance.exchange_order_id == exchange_id else "replaced"
    execution.note_change(order_id, asked, instance)
    # a cancel that raced this may have left the order in doubt
    return ChangedOrder.model_validate(
        {"order": await execution.settled(order_id), "method": method}
    )


async def _edit(manager: Any, instance: Any, order: Order, asked: NewOrder, price: Decimal) -> None:
    with capture_outcome() as failures:
        try:
            with translate_order_errors(order.symbol, order.side):
                await manager.trader.edit_order(
                    instance,
                    edited_quantity=asked.quantity,
                    edited_price=octobot_price(manager, asked, price),
                    edited_stop_price=asked.stop_price,
                    params=dict(REDUCING) if order.reduce_only else None,
                )
        except trading_errors.OrderEditError:
            raise OrderNotOpen("the order cannot be changed any more") from None
        except Exception as error:  # raised again, by its true name if that was heard
            # what the exchange raised, OctoBot turns into None and then stumbles over it
            raise failures.as_error() or error from None


def _as_asked(order: Order, change: OrderChange) -> NewOrder:
    """Return the order as if it were asked for anew with the change."""
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
    kept = order.model_dump(include={"symbol", "side", "type", "quantity", "price", "stop_price"})
    return NewOrder.model_validate({**kept, **given})


def _check_taker(asked: NewOrder, price: Decimal) -> None:
    if asked.type == "limit" and asked.price and is_marketable(asked.side, asked.price, price):
        raise PriceWouldTakeAtOnce("price: the market is there already; cancel and place anew")


def _check_funds(manager: Any, instance: Any, order: Order, asked: NewOrder) -> None:
    if order.type != "limit" or order.price is None or asked.price is None:
        return
    base, quote = order.symbol.split(":")[0].split("/")
    portfolio = manager.exchange_personal_data.portfolio_manager.portfolio
    if manager.is_future:
        if not portfolio.affords_change(instance, asked.quantity, asked.price):
            raise InsufficientFunds(f"not enough {quote} available for this change")
        return
    if order.side == "sell":
        more, asset = asked.quantity - order.quantity, base
    else:
        more = _locked(manager, asked, asked.quantity, asked.price) - _locked(
            manager, asked, order.quantity, order.price
        )
        asset = quote
    if more > portfolio.get_currency_portfolio(asset).available:
        raise InsufficientFunds(f"not enough {asset} available for this change")


def _locked(manager: Any, asked: NewOrder, quantity: Decimal, price: Decimal) -> Decimal:
    fee = expected_fee(manager, asked, quantity, price)
    return quantity * price + (fee.cost if fee is not None else ZERO)
