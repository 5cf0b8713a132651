"""In-memory store of orders and trades; each of their changes goes to the outbox.

Written on the bot's loop only; read from any thread.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import islice
from operator import attrgetter

from backend.accounting.balances import balance_changes
from backend.bridge.ledger.booking import PositionBook
from backend.bridge.ledger.history import Entry, History
from backend.bridge.ledger.journal_rows import ReplacedTrade, Row, SettledIntent
from backend.bridge.ledger.order_fills import NO_EXECUTIONS, ExecutionSums
from backend.bridge.ledger.order_state import OPEN_STATUSES
from backend.bridge.ledger.outbox import Commit, Outbox
from backend.bridge.read_models.event_data import event_data
from backend.ports.events import Event
from backend.ports.journal import StoredOrder, StoredTrade
from backend.ports.order_tracking import UNTRACKED, OrderTracking
from backend.schemas.orders import Order
from backend.schemas.trades import Trade

KEPT = 20_000
_PLACE = attrgetter("place")
_TRADES_SHOWN = 100
_EVENT_NAMES = {
    "filled": "order_filled",
    "canceled": "order_canceled",
    "expired": "order_canceled",
    "rejected": "order_canceled",
}


class OrderStore:
    """Orders and trades, newest last; an index of the open ones, and their tracking data."""

    def __init__(
        self, outbox: Outbox, mode: str, exchange_type: str, position_book: PositionBook | None
    ) -> None:
        self._outbox = outbox
        self._mode = mode
        self._kind = mode if exchange_type == "spot" else f"{exchange_type}:{mode}"
        self._position_book = position_book
        self._open: dict[str, Entry[Order]] = {}
        self._tracking: dict[str, OrderTracking] = {}
        self._ended_tracking: dict[str, OrderTracking] = {}
        self._sums: dict[str, ExecutionSums] = {}
        self._together: list[Commit] | None = None
        self.orders: History[Order] = History(KEPT)
        self.trades: History[Trade] = History(KEPT)
        self.open_orders: tuple[Entry[Order], ...] = ()
        self.version = 0
        self.replacements = 0

    def account(self, exchange: str) -> str:
        """Return the account that orders on this exchange belong to."""
        return f"{exchange}:{self._kind}"

    def tracking_of(self, order_id: str) -> OrderTracking:
        """Return the tracking data of an open order."""
        return self._tracking.get(order_id, UNTRACKED)

    def set_tracking(self, order_id: str, tracking: OrderTracking) -> None:
        """Replace the tracking data of an order; it is committed with the order's next change."""
        self._tracking[order_id] = tracking

    def traded(self, order_id: str) -> Decimal:
        """Return the total quantity of an order's trades, without estimated ones."""
        return self.sums(order_id).quantity

    def sums(self, order_id: str) -> ExecutionSums:
        """Return the sums of an order's trades."""
        return self._sums.get(order_id, NO_EXECUTIONS)

    def load(self, orders: Sequence[StoredOrder], trades: Sequence[StoredTrade]) -> None:
        """Load the rows of an earlier process, oldest first, and publish snapshots of them."""
        for stored in orders:
            self.orders.pass_by(stored.place)
            if stored.account == self.account(stored.order.exchange):
                json = stored.order.model_dump_json().encode()
                entry = self.orders.append(stored.order, json, stored.place)
                self._index(entry, stored.tracking)
        for row in trades:
            self.trades.pass_by(row.place)
            if row.account == self.account(row.trade.exchange):
                self.trades.append(row.trade, row.trade.model_dump_json().encode(), row.place)
                self._count(row.trade)
        self.orders.complete = len(orders) < KEPT
        self.trades.complete = len(trades) < KEPT
        self._publish_open()
        self.replace_snapshot()
        newest = reversed(tuple(islice(self.trades.newest_first(), _TRADES_SHOWN)))
        shown = {entry.item.id: (entry.item.symbol, entry.json) for entry in newest}
        self._outbox.replace_snapshot("trades", shown)

    def replace_snapshot(self) -> None:
        """Replace the streams' snapshot of open orders."""
        items = {e.item.id: (e.item.symbol, e.json) for e in self._open.values()}
        self._outbox.replace_snapshot("orders", items)

    def put_order(
        self,
        order: Order,
        *,
        new: bool = False,
        trade: Trade | None = None,
        had_ended: bool = False,
    ) -> Entry[Order]:
        """Append an order or replace its state, together with the trade that filled it.

        `had_ended` corrects the sums of an order whose end was told before.
        """
        json = order.model_dump_json().encode()
        entry = self.orders.append(order, json) if new else self.orders.replace(order, json)
        kept = self._ended_tracking.get(order.id, UNTRACKED)
        tracking = self._tracking.get(order.id, kept)
        self._index(entry, tracking)
        self._publish_open()
        item = json if order.status in OPEN_STATUSES else None
        data = event_data(order.exchange, order.symbol, "order", json)
        name = "order_created" if new else _EVENT_NAMES.get(order.status, "order_updated")
        name = "order_updated" if had_ended else name
        published = Event("orders", name, order.id, order.symbol, data, item)
        rows: list[Row] = [
            StoredOrder(entry.place, self.account(order.exchange), order, tracking, json)
        ]
        if new:
            rows.append(SettledIntent(order.id, "accepted"))
        filled_by = Commit() if trade is None else self._append_trade(trade)
        self.commit((*rows, *filled_by.rows), (published, *filled_by.events))
        return entry

    def put_trade(self, trade: Trade, *, old: bool = False) -> None:
        """Append a trade; an `old` one was published by an earlier process."""
        self.commit(*self._append_trade(trade, old))

    def replace_estimate(self, order_id: str) -> None:
        """Remove the estimated trade of an order, if it has one."""
        sums = self._sums.get(order_id)
        estimate = None if sums is None else sums.estimate
        if sums is None or estimate is None:
            return
        sums.estimate = None
        self.trades.remove(estimate.id)
        self.version += 1
        self.replacements += 1
        json = estimate.model_dump_json().encode()
        data = event_data(estimate.exchange, estimate.symbol, "trade", json)
        event = Event("trades", "trade_replaced", estimate.id, estimate.symbol, data, None)
        self.commit([ReplacedTrade(estimate.id)], (event,))

    def commit(self, rows: Sequence[Row], events: Sequence[Event] = ()) -> None:
        """Commit rows and events, together with those of an open `transaction`."""
        if self._together is None:
            self._outbox.commit(rows, events)
        else:
            self._together.append(Commit(rows, events))

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit the changes made in the block together, or none of them."""
        if self._together is not None:
            yield
            return
        self._together = []
        try:
            yield
        finally:
            commits, self._together = self._together, None
            if commits:
                self._outbox.commit(
                    [row for commit in commits for row in commit.rows],
                    [event for commit in commits for event in commit.events],
                )

    def _append_trade(self, trade: Trade, old: bool = False) -> Commit:
        json = trade.model_dump_json().encode()
        entry = self.trades.append(trade, json)
        self._count(trade)
        self.version += 1
        account = self.account(trade.exchange)
        data = event_data(trade.exchange, trade.symbol, "trade", json)
        event = Event("trades", "trade", trade.id, trade.symbol, data, json)
        if self._position_book is None:
            changes = balance_changes(trade) if self._mode == "paper" else {}
            stored = StoredTrade(entry.place, account, trade, changes)
            return Commit([stored], () if old else (event,))
        booking = self._position_book.book(trade, account)
        stored = StoredTrade(entry.place, account, trade, booking.changes)
        return Commit([stored, booking.position], (event, *booking.events))

    def _index(self, entry: Entry[Order], tracking: OrderTracking) -> None:
        order = entry.item
        if order.status in OPEN_STATUSES:
            self._open[order.id] = entry
            self._tracking[order.id] = tracking
        else:
            self._open.pop(order.id, None)
            self._tracking.pop(order.id, None)
            self._keep_ended(order.id, tracking)

    def _keep_ended(self, order_id: str, tracking: OrderTracking) -> None:
        """Keep the tracking data of an order whose sums may be corrected: they stay its own."""
        if tracking is not UNTRACKED:
            self._ended_tracking[order_id] = tracking
            if len(self._ended_tracking) > KEPT:
                del self._ended_tracking[next(iter(self._ended_tracking))]

    def _publish_open(self) -> None:
        self.open_orders = tuple(sorted(self._open.values(), key=_PLACE, reverse=True))
        self.version += 1

    def _count(self, trade: Trade) -> None:
        self._sums.setdefault(trade.order_id, ExecutionSums()).add(trade)
