"""Fills of real orders: what the exchange has told of them, and the sums of their trades."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from backend.accounting.decimals import EXACT, ZERO, round_for_response
from backend.bridge.octobot.order_rows import ToldOrder
from backend.schemas.orders import Fee, Order
from backend.schemas.trades import Trade

_KEPT = 20_000


@dataclass(slots=True)
class ExecutionSums:
    """Sums of an order's executions; `estimate` is a trade that stands for those not known."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    fees: dict[str, Decimal] = field(default_factory=dict)
    are_fees_known: bool = True
    estimate: Trade | None = None

    def add(self, trade: Trade) -> None:
        """Add a trade, or set the estimate."""
        if trade.estimated:
            self.estimate = trade
            return
        self.quantity = EXACT.add(self.quantity, trade.quantity)
        self.cost = EXACT.add(self.cost, trade.cost)
        self.are_fees_known = self.are_fees_known and bool(trade.charges)
        for fee in trade.charges:
            self.fees[fee.currency] = EXACT.add(self.fees.get(fee.currency, ZERO), fee.cost)


NO_EXECUTIONS = ExecutionSums()


class ToldOrders:
    """The newest that exchanges have told of each order, by exchange and the exchange's id."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], ToldOrder] = {}

    def note(self, exchange: str, told: ToldOrder) -> bool:
        """Keep what is new of it; return whether anything is.

        Lists may be older than what was told before: nothing that was executed is taken back. A
        row without an average price leaves the one of an earlier row that tells as much filled.
        """
        key = (exchange, told.exchange_id)
        before = self._told.pop(key, None)
        if before is not None:
            told = _newer(before, told)
        self._told[key] = told
        if len(self._told) > _KEPT:
            del self._told[next(iter(self._told))]
        return told != before

    def get(self, exchange: str, exchange_id: str | None) -> ToldOrder | None:
        """Return what was told of an order, None before the first row."""
        return None if exchange_id is None else self._told.get((exchange, exchange_id))


def _newer(before: ToldOrder, told: ToldOrder) -> ToldOrder:
    if before.is_final and not told.is_final:
        return before
    if before.filled is None:
        return told
    if told.filled is None or told.filled < before.filled:
        told = told._replace(filled=before.filled, average=None, fees=())
    if told.filled == before.filled:
        told = told._replace(average=told.average or before.average, fees=told.fees or before.fees)
    return told


def with_condition(order: Order, told: ToldOrder | None) -> Order:
    """Return an order that was placed elsewhere with the trigger that its exchange tells."""
    if told is None or told.condition is None:
        return order
    condition = told.condition
    return order.model_copy(
        update={
            "type": condition.type,
            "stop_price": condition.stop_price,
            "price": order.price if condition.has_limit else None,
        }
    )


def with_fills(order: Order, told: ToldOrder | None, sums: ExecutionSums) -> Order:
    """Return an order whose fills are those of its trades, and beyond them what is told."""
    filled = order.filled
    if told is not None and told.filled is not None:
        filled = told.filled
    filled = max(filled, sums.quantity)
    status = order.status
    if status == "filled" and filled < order.quantity:
        status = "canceled"
    elif status == "open" and filled:
        status = "partially_filled"
    cost, average, fees = _sums_of(order, filled, told, sums)
    return order.model_copy(
        update={
            "status": status,
            "filled": filled,
            "remaining": max(order.quantity - filled, ZERO),
            "cost": cost,
            "average_price": average,
            "fee": fees[0] if len(fees) == 1 else None,
            "fees": fees if len(fees) > 1 else (),
        }
    )


def _sums_of(
    order: Order, filled: Decimal, told: ToldOrder | None, sums: ExecutionSums
) -> tuple[Decimal, Decimal | None, tuple[Fee, ...]]:
    """Return cost, average price and fees of what has filled."""
    if not filled:
        return ZERO, None, ()
    if sums.quantity >= filled:
        known = sums.fees if sums.are_fees_known else {}
        fees = tuple(Fee(cost=cost, currency=currency) for currency, cost in known.items())
        return sums.cost, _average(sums.cost, sums.quantity), fees
    price = price_of_rest(order, filled, told, sums)
    rest = EXACT.subtract(filled, sums.quantity)
    if price is None:
        return sums.cost, None, ()
    cost = EXACT.add(sums.cost, EXACT.multiply(rest, price))
    fees = told.fees if told is not None and not sums.quantity else ()
    return cost, _average(cost, filled), fees


def price_of_rest(
    order: Order, filled: Decimal, told: ToldOrder | None, sums: ExecutionSums
) -> Decimal | None:
    """Return the price of what has filled beyond the known executions, None if nothing tells it.

    It follows from the average that the exchange tells; a limit order's limit is the best guess
    without one. The price in a market order's row may be its slippage limit: nobody paid that.
    """
    rest = EXACT.subtract(filled, sums.quantity)
    if told is not None and told.average is not None and told.filled == filled:
        left = EXACT.subtract(EXACT.multiply(told.average, filled), sums.cost)
        if left > 0 and rest > 0:
            return _average(left, rest)
    return order.price


def _average(cost: Decimal, quantity: Decimal) -> Decimal:
    return round_for_response(EXACT.divide(cost, quantity))
