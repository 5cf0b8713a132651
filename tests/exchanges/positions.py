"""Positions of the offline exchange: one-way or hedged, linear and inverse."""

from __future__ import annotations

from decimal import Decimal

from tests.exchanges.listings import Listing
from tests.exchanges.state import ZERO, Execution, Order, Position, State


def position_key(state: State, order: Order) -> str:
    """Return the key of the position that an order changes: `SYMBOL`, or `SYMBOL long`."""
    if not state.behavior.hedged:
        return order.symbol
    is_long = (order.side == "buy") != order.reduce_only
    return f"{order.symbol} {'long' if is_long else 'short'}"


def settle_contract(state: State, listing: Listing, execution: Execution, order: Order) -> None:
    """Change the position, and pay what it realizes into the settlement asset."""
    position = state.positions.setdefault(position_key(state, order), Position())
    signed = execution.amount if execution.side == "buy" else -execution.amount
    held, price = position.contracts, execution.price
    closing = min(abs(held), abs(signed)) if held * signed < 0 else ZERO
    if closing:
        realized = profit(listing, closing if held > 0 else -closing, position.entry_price, price)
        position.realized += realized
        state.wallet(listing.settle or listing.quote).free += realized
    opening = abs(signed) - closing
    position.contracts = held + signed
    if opening and closing:
        position.entry_price = price
    elif opening:
        position.entry_price = _average(listing, abs(held), position.entry_price, opening, price)
    elif not position.contracts:
        position.entry_price = ZERO


def profit(listing: Listing, contracts: Decimal, entry: Decimal, price: Decimal) -> Decimal:
    """Return the profit of contracts (negative when short) in the settlement asset."""
    if not contracts:
        return ZERO
    if listing.inverse:
        return contracts * listing.size * (1 / entry - 1 / price)
    return contracts * listing.size * (price - entry)


def _average(
    listing: Listing, held: Decimal, entry: Decimal, opening: Decimal, price: Decimal
) -> Decimal:
    if not held:
        return price
    if listing.inverse:
        return (held + opening) / (held / entry + opening / price)
    return (held * entry + opening * price) / (held + opening)
