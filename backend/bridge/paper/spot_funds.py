"""Funds of a paper spot account: locks and settlements that never take an asset below zero.

OctoBot's own portfolio sets an asset that it does not know to a negative amount without
its check, and counts an order as filled whose funds it could not subtract.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from backend.accounting.balances import assets_of, changes_of_fill
from backend.accounting.decimals import EXACT, ZERO
from backend.bridge.ledger.paper_fills import Executions
from backend.bridge.octobot.conversion import fee_from_dict
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.octobot.order import OctoBotOrder
from backend.errors import InsufficientFunds
from backend.schemas.orders import Fee


class _Lock(NamedTuple):
    asset: str
    amount: Decimal


class SpotFunds:
    """Locks of open orders by id, and the settlement of fills in OctoBot's portfolio."""

    def __init__(self, exchange: Exchange, executions: Executions) -> None:
        self._exchange = exchange
        self._executions = executions
        self._locks: dict[str, _Lock] = {}

    def lock(self, order: OctoBotOrder) -> None:
        """Lock an order's cost or quantity. Raises `InsufficientFunds`."""
        self._lock(order, order.origin_quantity, order.origin_price)

    def release(self, order: OctoBotOrder) -> None:
        """Release an order's lock, if it has one."""
        lock = self._locks.pop(order.order_id, None)
        if lock is not None:
            self._exchange.account.change_asset(lock.asset, available=lock.amount)

    def settle(self, order: OctoBotOrder) -> None:
        """Apply a fill to the balances, and release the order's lock."""
        self.release(order)
        execution = self._executions.get(order.order_id)
        if execution is None:
            fee = fee_from_dict(order.to_dict()["fee"])
            self._book(order, order.filled_quantity, order.total_cost, fee)
            return
        for fill in execution.fills:
            cost = EXACT.multiply(fill.price, fill.quantity)
            self._book(order, fill.quantity, cost, fill.fee)

    def affords_change(self, order: OctoBotOrder, quantity: Decimal, price: Decimal) -> bool:
        """Return whether the funds suffice for an open order's new values instead of its old."""
        own = self._locks.get(order.order_id)
        return self._is_available(self._needs(order, quantity, price), [own] if own else [])

    def reserve(self, order: OctoBotOrder, price: Decimal) -> bool:
        """Lock what an order's fill at a price takes; return False when it is not available.

        What the fill's cancels release can be spent by it, and is released at once.
        """
        canceled = [order] if order.order_group is None else self._group_of(order)
        locks = [self._locks[each.order_id] for each in canceled if each.order_id in self._locks]
        if not self._is_available(self._needs(order, order.origin_quantity, price), locks):
            return False
        for each in canceled:
            self.release(each)
        self._lock(order, order.origin_quantity, price)
        return True

    def _book(self, order: OctoBotOrder, quantity: Decimal, cost: Decimal, fee: Fee | None) -> None:
        fees = () if fee is None else (fee,)
        changes = changes_of_fill(order.symbol, order.side.value, quantity, cost, fees)
        for asset, change in changes.items():
            self._exchange.account.change_asset(asset, total=change, available=change)

    def _lock(self, order: OctoBotOrder, quantity: Decimal, price: Decimal) -> None:
        needs = self._needs(order, quantity, price)
        if not self._is_available(needs, []):
            raise InsufficientFunds("not enough available for this order")
        base, quote = assets_of(order.symbol)
        asset = quote if order.side.value == "buy" else base
        amount = needs[asset]
        self._exchange.account.change_asset(asset, available=-amount)
        self._locks[order.order_id] = _Lock(asset, amount)

    def _needs(
        self, order: OctoBotOrder, quantity: Decimal, price: Decimal
    ) -> Mapping[str, Decimal]:
        """Return what an order takes of each asset, with the fee of a taker."""
        base, quote = assets_of(order.symbol)
        buys = order.side.value == "buy"
        spent, received = (quote, base) if buys else (base, quote)
        needs = {spent: quantity * price if buys else quantity}
        fee = self._exchange.orders.expected_taker_fee(order, quantity, price)
        if fee.currency != received:  # that fee is taken from what the fill brings
            needs[fee.currency] = needs.get(fee.currency, ZERO) + fee.cost
        return needs

    def _is_available(self, needs: Mapping[str, Decimal], released: Iterable[_Lock]) -> bool:
        available = {asset: self._exchange.account.available(asset) for asset in needs}
        for lock in released:
            if lock.asset in available:
                available[lock.asset] += lock.amount
        return all(amount <= available[asset] for asset, amount in needs.items())

    @staticmethod
    def _group_of(order: OctoBotOrder) -> list[OctoBotOrder]:
        members = [] if order.order_group is None else order.order_group.get_group_open_orders()
        return [order, *(member for member in members if member is not order)]
