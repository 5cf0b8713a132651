"""Matching of OctoBot's trades to the orders that they fill."""

from __future__ import annotations

from backend.bridge.ledger.order_ids import OrderIds
from backend.bridge.ledger.order_state import OPEN_STATUSES
from backend.bridge.ledger.order_store import OrderStore
from backend.bridge.ledger.real_fills import RealFills
from backend.bridge.octobot.conversion import is_execution, symbol_of, trade_from_dict, trade_id
from backend.bridge.octobot.executions import execution_id
from backend.bridge.octobot.order import RawOrder


class TradeMatcher:
    """Holds each trade until the order that it fills has ended, then stores it.

    A trade of an unknown exchange order waits while the outcome of an order of ours is
    unknown: it may belong to that order.
    """

    def __init__(
        self, store: OrderStore, ids: OrderIds, real_fills: RealFills | None = None
    ) -> None:
        self._store = store
        self._ids = ids
        self._real_fills = real_fills
        self._held: dict[str, list[tuple[RawOrder, str]]] = {}
        self._unmatched: list[tuple[RawOrder, str, bool]] = []
        self._untraded: set[str] = set()

    @property
    def awaits_trades(self) -> bool:
        """Whether a filled order still lacks its trade."""
        if self._real_fills is not None:
            self._untraded = {key for key in self._untraded if self._lacks_trade(key)}
        return bool(self._untraded)

    def _lacks_trade(self, order_id: str) -> bool:
        entry = self._store.orders.get(order_id)
        sums = self._store.sums(order_id)
        return entry is not None and entry.item.filled > sums.quantity and sums.estimate is None

    def expect_trade(self, order_id: str) -> None:
        """Record that an order has filled before its trade is known."""
        self._untraded.add(order_id)

    def may_be_ours(self, raw: RawOrder) -> bool:
        """Return whether an order or trade may belong to an order whose outcome is unknown."""
        return not self._ids.knows(raw) and any(
            entry.item.status == "unknown" and entry.item.symbol == symbol_of(raw)
            for entry in self._store.open_orders
        )

    def record(self, raw: RawOrder, exchange: str, *, old: bool = False) -> None:
        """Store a trade, unless it is known, or hold it back."""
        if not is_execution(raw) or self._is_known(raw, exchange):
            return
        order_id = self._ids.of_trade(raw)
        order = self._store.orders.get(order_id)
        if order is None and self.may_be_ours(raw):
            self._unmatched.append((raw, exchange, old))
            return
        if order is not None and self._real_fills is not None:
            self._real_fills.check(order.item)  # OctoBot makes one trade of an order's executions
            return
        if order is not None and order.item.status in OPEN_STATUSES:
            self._held.setdefault(order_id, []).append((raw, exchange))
            return
        self._untraded.discard(order_id)
        if order is not None and self._store.traded(order_id) >= order.item.filled:
            return  # stored before, under the id that OctoBot had for it then
        client_id = order.item.client_order_id if order else None
        self._store.put_trade(trade_from_dict(raw, exchange, order_id, client_id), old=old)

    def _is_known(self, raw: RawOrder, exchange: str) -> bool:
        """Return whether a trade is stored, under its id or as an execution that was fetched."""
        own = trade_id(raw)
        ids = (own, execution_id(exchange, symbol_of(raw), own))
        return any(self._store.trades.get(each) is not None for each in ids)

    def release(self, order_id: str) -> None:
        """Store the trades of an order that has ended."""
        for raw, exchange in self._held.pop(order_id, []):
            self.record(raw, exchange)

    def retry_unmatched(self) -> None:
        """Match again the trades that waited for an order's outcome."""
        unmatched, self._unmatched = self._unmatched, []
        for raw, exchange, old in unmatched:
            self.record(raw, exchange, old=old)
