"""Matching and settlement of the offline exchange; a mutable `State` is changed in place."""

from __future__ import annotations

import time
from decimal import Decimal

from ccxt.base.errors import InsufficientFunds, OrderNotFound

from tests.exchanges.listings import Listing
from tests.exchanges.positions import settle_contract
from tests.exchanges.state import ZERO, Charge, Execution, Liquidity, Order, State, Status


def now_ms() -> int:
    """Return the exchange's time."""
    return int(time.time() * 1000)


def find_order(state: State, key: str) -> Order:
    """Return the order with this id, or with this client order id."""
    if key in state.orders:
        return state.orders[key]
    for order in state.orders.values():
        if order.client_id == key:
            return order
    raise OrderNotFound(f"offline no order {key}")


def accept(state: State, order: Order) -> None:
    """Lock what an order pays, and execute it as far as the market does at once."""
    listing, price = state.listings[order.symbol], state.prices[order.symbol]
    order.lock_unit = _locks(listing, order, order.price or order.trigger or price)
    order.locked = order.lock_unit * (order.amount - order.filled)
    wallet = state.wallet(_pays(listing, order))
    if wallet.free < order.locked:
        raise InsufficientFunds(f"offline {order.locked} needed, {wallet.free} free")
    wallet.free -= order.locked
    wallet.locked += order.locked
    state.orders[order.id] = order
    match_order(state, order, "taker")


def match_all(state: State, symbol: str) -> None:
    """Execute the open orders that a symbol's price has reached."""
    for order in list(state.orders.values()):
        if order.symbol == symbol and order.status == "open":
            match_order(state, order, "maker")


def match_order(state: State, order: Order, liquidity: Liquidity) -> None:
    """Execute an order if the price is there."""
    price = state.prices[order.symbol]
    if order.trigger is not None and not order.is_triggered:
        rising = (order.side == "buy") == (order.trigger_kind == "stop_loss")
        order.is_triggered = price >= order.trigger if rising else price <= order.trigger
        if not order.is_triggered:
            return
    if order.type == "market":
        _execute_market(state, order, price)
        return
    limit = order.price or price
    if (limit >= price) if order.side == "buy" else (limit <= price):
        execute_parts(state, order, order.amount - order.filled, limit, liquidity)


def _execute_market(state: State, order: Order, price: Decimal) -> None:
    behavior, step = state.behavior, state.listings[order.symbol].step
    if order.filled:
        return  # what is left of it waits for the test
    amount = (order.amount * behavior.market_filled) // step * step
    execute_parts(state, order, amount, price, "taker")
    if order.status == "open" and behavior.market_rest != "open":
        end(state, order, behavior.market_rest)


def execute_parts(
    state: State, order: Order, amount: Decimal, price: Decimal, liquidity: Liquidity
) -> None:
    """Execute an amount in the behavior's parts, the last one takes what rounding leaves."""
    behavior, step, left = state.behavior, state.listings[order.symbol].step, amount
    worse = 1 if order.side == "buy" else -1
    for number, share in enumerate(behavior.parts):
        is_last = number == len(behavior.parts) - 1
        part = left if is_last else (amount * share) // step * step
        if part > 0:
            slipped = number * behavior.part_slippage if order.type == "market" else ZERO
            execute(state, order, part, price * (1 + worse * slipped), liquidity)
            left -= part


def execute(
    state: State,
    order: Order,
    amount: Decimal,
    price: Decimal,
    liquidity: Liquidity = "maker",
    fees: list[Charge] | None = None,
) -> Execution:
    """Execute a part of an order, move the balances, and close it when it is whole."""
    assert 0 < amount <= order.amount - order.filled, (amount, order)
    listing = state.listings[order.symbol]
    cost = listing.cost(amount, price)
    charged = _fees(state, order, amount, cost, liquidity) if fees is None else fees
    execution = Execution(
        id=f"t{state.next_id()}",
        order_id=order.id,
        symbol=order.symbol,
        side=order.side,
        amount=amount,
        price=price,
        cost=cost,
        fees=charged,
        liquidity=liquidity,
        time_ms=now_ms(),
    )
    state.executions.append(execution)
    _unlock(state, order, amount * order.lock_unit)
    order.filled += amount
    order.cost += cost
    order.updated_ms = execution.time_ms
    if listing.settle is not None:
        settle_contract(state, listing, execution, order)
    else:
        sign = 1 if order.side == "buy" else -1
        state.wallet(listing.base).free += sign * amount
        state.wallet(listing.quote).free -= sign * cost
    for fee in charged:
        state.wallet(fee.currency).free -= fee.cost
    if order.filled == order.amount:
        end(state, order, "closed")
    return execution


def end(state: State, order: Order, status: Status) -> None:
    """End an order."""
    _unlock(state, order, order.locked)
    order.status = status
    order.updated_ms = now_ms()


def _unlock(state: State, order: Order, amount: Decimal) -> None:
    wallet = state.wallet(_pays(state.listings[order.symbol], order))
    wallet.free += amount
    wallet.locked -= amount
    order.locked -= amount


def _pays(listing: Listing, order: Order) -> str:
    if listing.settle is not None:
        return listing.settle
    return listing.quote if order.side == "buy" else listing.base


def _locks(listing: Listing, order: Order, price: Decimal) -> Decimal:
    """Return what each unit of an order locks."""
    if listing.settle is not None:
        return ZERO if order.reduce_only else listing.cost(Decimal(1), price) / 10
    return price if order.side == "buy" else Decimal(1)


def _fees(
    state: State, order: Order, amount: Decimal, cost: Decimal, liquidity: Liquidity
) -> list[Charge]:
    listing, behavior = state.listings[order.symbol], state.behavior
    rate = behavior.fee_rates[0 if liquidity == "maker" else 1]
    third = Charge(cost=cost * rate / behavior.third_price, currency=behavior.third_asset)
    of_base = Charge(cost=amount * rate, currency=listing.base)
    of_quote = Charge(cost=cost * rate, currency=listing.settle or listing.quote)
    is_spot_buy = order.side == "buy" and listing.settle is None
    received = of_base if is_spot_buy else of_quote
    halves = [Charge(cost=fee.cost / 2, currency=fee.currency) for fee in (received, third)]
    return {
        "received": [received],
        "base": [of_base],
        "quote": [of_quote],
        "third": [third],
        "several": halves,
        "none": [],
    }[behavior.fee]
