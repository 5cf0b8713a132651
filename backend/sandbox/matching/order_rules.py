"""Order validation of the sandbox exchange: invalid orders are refused, never clamped."""

from __future__ import annotations

from decimal import Decimal

from ccxt.base.errors import InvalidOrder, OrderImmediatelyFillable

from backend.sandbox.market.listings import Listing
from backend.sandbox.matching.orders import Order


def check_order(order: Order, listing: Listing, price: Decimal) -> None:
    """Raise `InvalidOrder` unless the amount, the prices and the cost are allowed.

    `price` is the expected execution price.
    """
    request = order.request
    if request.amount % listing.amount_step:
        raise InvalidOrder(f"amount {request.amount} is no multiple of {listing.amount_step}")
    if not listing.min_amount <= request.amount <= listing.max_amount:
        allowed = f"{listing.min_amount} to {listing.max_amount}"
        raise InvalidOrder(f"amount {request.amount} is not from {allowed}")
    prices = [request.price, request.trigger.price if request.trigger else None]
    for given in prices:
        if given is not None and (given <= 0 or given % listing.price_tick):
            raise InvalidOrder(f"price {given} is no positive multiple of {listing.price_tick}")
    if request.amount * price < listing.min_cost:
        raise InvalidOrder(f"cost {request.amount * price} is below {listing.min_cost}")


def check_trigger(order: Order, last_price: Decimal) -> None:
    """Raise `OrderImmediatelyFillable` if the trigger price is reached already."""
    awaited = order.awaited_price
    if order.request.trigger is None or awaited is None:
        return
    if last_price >= awaited.price if awaited.rising else last_price <= awaited.price:
        raise OrderImmediatelyFillable(f"the trigger price {awaited.price} is reached already")
