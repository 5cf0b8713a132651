"""Ledger: present state of the bot's orders and trades, the source of lists and streams.

Written on the bot's loop only; read from any thread. Every change goes to the outbox,
which commits it and then publishes its event.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from backend.bridge.ledger.booking import PositionBook
from backend.bridge.ledger.bracket_state import BracketState
from backend.bridge.ledger.history import Entry
from backend.bridge.ledger.journal_rows import SettledIntent
from backend.bridge.ledger.order_ids import OrderIds
from backend.bridge.ledger.order_state import OPEN_STATUSES, REPORTED, OrderEvent, next_status
from backend.bridge.ledger.order_store import OrderStore
from backend.bridge.ledger.outbox import Outbox
from backend.bridge.ledger.paper_fills import Executions, book
from backend.bridge.ledger.real_fills import RealFills
from backend.bridge.ledger.trade_matching import TradeMatcher
from backend.bridge.octobot.conversion import (
    before_any_fill,
    exchange_id_of,
    order_from_dict,
    with_placed_quantity,
)
from backend.bridge.octobot.order import RawOrder
from backend.ports.journal import StoredOrder, StoredTrade
from backend.ports.order_tracking import UNTRACKED, OrderTracking
from backend.schemas.common import utc_now
from backend.schemas.orders import Order, OrderStatus
from backend.schemas.trades import Trade


class Ledger:
    """Orders and trades as reported; `raw` is one in the format of OctoBot's `to_dict`."""

    def __init__(
        self,
        outbox: Outbox,
        mode: str,
        exchange_type: str = "spot",
        position_book: PositionBook | None = None,
    ) -> None:
        self._store = OrderStore(outbox, mode, exchange_type, position_book)
        self._mode = mode
        self._expected: dict[str, tuple[Order, OrderTracking]] = {}
        self._ids = OrderIds(self._is_ours)
        self.is_bound = self._ids.is_bound
        self.real_fills = (
            None if mode == "paper" else RealFills(self._store, self._ids, self.update)
        )
        self.matcher = TradeMatcher(self._store, self._ids, self.real_fills)
        self.executions: Executions = {}
        self.expected_ends: dict[str, OrderStatus] = {}  # of orders that are about to be canceled
        self.brackets = BracketState()
        self.orders, self.trades = self._store.orders, self._store.trades

    # ---- reads, from any thread

    @property
    def open_orders(self) -> tuple[Entry[Order], ...]:
        """The open orders, newest first."""
        return self._store.open_orders

    @property
    def version(self) -> int:
        """A number that grows with every change of an order or a trade."""
        return self._store.version

    def account(self, exchange: str) -> str:
        """Return the account that orders on this exchange belong to."""
        return self._store.account(exchange)

    def tracking_of(self, order_id: str) -> OrderTracking:
        """Return the tracking data of an open order."""
        return self._store.tracking_of(order_id)

    def is_unsent(self, order_id: str) -> bool:
        """Return whether an open order has triggered and is certainly not at its exchange."""
        return self.tracking_of(order_id).sending == "due"

    # ---- before the first boot, and during restoration

    def load(self, orders: Sequence[StoredOrder], trades: Sequence[StoredTrade]) -> None:
        """Load the rows of an earlier process, oldest first."""
        self._store.load(orders, trades)
        for stored in orders:
            if stored.account == self.account(stored.order.exchange):
                self._index(stored.order, stored.tracking)

    def create_missing_exits(self, exchange: str) -> list[Order]:
        """Create the exits of filled entries that were not placed before a stop; return them.

        Drops cancels that waited for a fill which never came.
        """
        self.brackets.drop_deferred()
        return [
            self.create(order, OrderTracking(group=order.parent_order_id)).item
            for order in self.brackets.due(self.is_known)
            if order.exchange == exchange
        ]

    def adopt(self, open_orders: Iterable[tuple[RawOrder, str]]) -> None:
        """Record the bot's orders after a boot, and publish the open ones."""
        for raw, exchange in open_orders:
            self.record_order(raw, exchange)
        self._store.replace_snapshot()

    # ---- orders before they are placed

    def expect(self, order: Order, tracking: OrderTracking) -> None:
        """Record an order as it was requested, before the bot reports it."""
        self._expected[order.id] = (order, tracking)

    def forget(self, order_id: str) -> None:
        """Drop an expected order that was not placed."""
        self._expected.pop(order_id, None)

    def create(
        self, order: Order, tracking: OrderTracking = UNTRACKED, event: OrderEvent = "accepted"
    ) -> Entry[Order]:
        """Create an order that OctoBot has not reported itself."""
        self._expected.pop(order.id, None)
        known = self.orders.get(order.id)
        if known is not None:  # OctoBot has reported it already
            self.apply_event(order.id, event, tracking)
            return self.orders.get(order.id) or known
        status = next_status(None, event)
        if order.status != status:
            order = order.model_copy(update={"status": status})
        self._store.set_tracking(order.id, tracking)
        self._index(order, tracking)
        return self._store.put_order(order, new=True)

    def create_lost(self, order: Order) -> None:
        """Create an order that was requested but never placed, as rejected."""
        self.create(order)
        self._store.commit([SettledIntent(order.id, "lost")])
        self.apply_event(order.id, "refused")

    # ---- OctoBot's reports

    def record_order(self, raw: RawOrder, exchange: str) -> None:
        """Record an order's present state and publish its changes.

        An unknown order is ignored while it may be one of ours whose outcome is
        unknown: `retry_unmatched` follows when that is settled.
        """
        order_id = self._ids.of_order(raw)
        known = self.orders.get(order_id)
        if known is None:
            if order_id not in self._expected and self.matcher.may_be_ours(raw):
                return
            known = self._create_reported(order_id, raw, exchange)
        if known.item.status not in OPEN_STATUSES or known.item.status == "unknown":
            return  # while the outcome is unknown, only a look-up is reliable
        order = self._completed(
            order_from_dict(raw, exchange, utc_now(), known.item, paper=self._mode == "paper")
        )
        if order.status == "canceled":
            if self.tracking_of(order_id).is_edited:
                # OctoBot may report from a list of open orders that is older than the change
                self.apply_event(order_id, "outcome_unknown")
                return
            if self.brackets.defer_cancel(order_id, (raw, exchange)):
                return
            ending = self.expected_ends.pop(order_id, order.status)
            order = order.model_copy(update={"status": ending})
        at_once = order.status == "filled" and self._mode == "paper"
        order, trades = book(self.executions, raw, order) if at_once else (order, ())
        with self._store.transaction():
            self._settle_sibling(order)
            self.update(order, REPORTED[order.status], trade=trades[0] if trades else None)
            for trade in trades[1:]:
                self._store.put_trade(trade)

    def record_trade(self, raw: RawOrder, exchange: str, *, old: bool = False) -> None:
        """Record a trade; it is published after the order that it filled."""
        self.matcher.record(raw, exchange, old=old)

    def retry_unmatched(self, open_orders: Iterable[tuple[RawOrder, str]]) -> None:
        """Record again the reports that waited for an order's outcome."""
        for raw, exchange in open_orders:
            self.record_order(raw, exchange)
        self.matcher.retry_unmatched()

    def defer_cancels(self, order_ids: Collection[str], filling: str) -> None:
        """Record the coming cancels of these exits together with the fill of the other one."""
        self.brackets.await_fill(order_ids, filling)

    def release_cancels(self, filling: str) -> None:
        """Record the cancels that still wait for an order's fill."""
        for raw, exchange in self.brackets.release(filling):
            self.record_order(raw, exchange)

    def _settle_sibling(self, order: Order) -> None:
        """Record the deferred end of the other exit, now that this one has ended."""
        if order.status in OPEN_STATUSES:
            return
        self.release_cancels(order.id)
        if order.status == "filled" and order.parent_order_id is not None:
            for sibling in self.brackets.due(self.is_known, order.parent_order_id):
                # OctoBot does not place the other exit of one that has filled already
                self.create(sibling)
                self.apply_event(sibling.id, "withdrawn")

    # ---- changes of state

    def update(
        self,
        order: Order,
        event: OrderEvent,
        tracking: OrderTracking | None = None,
        trade: Trade | None = None,
    ) -> Order:
        """Apply an event and an order's new values, if its status allows that; return the order.

        `trade` is the trade that filled the order, when known: both are committed together.
        """
        order, before = self._completed(order), self.orders.get(order.id)
        status = None if before is None else next_status(before.item.status, event)
        if before is None or status is None:
            return order if before is None else before.item
        if order.status != status:
            order = order.model_copy(update={"status": status})
        if tracking is not None:
            self._store.set_tracking(order.id, tracking)
        unchanged = order.model_copy(update={"updated_at": before.item.updated_at}) == before.item
        if unchanged and tracking is None:
            return before.item
        if status == "filled" and trade is None:
            self.matcher.expect_trade(order.id)
        self._index(order, self.tracking_of(order.id))
        self._store.put_order(order, trade=trade)
        if status not in OPEN_STATUSES:
            self.matcher.release(order.id)
        if self.real_fills is not None:
            self.real_fills.check(order)
        return order

    def apply_event(
        self, order_id: str, event: OrderEvent, tracking: OrderTracking | None = None
    ) -> None:
        """Apply an event to an order, if the order is known."""
        if (entry := self.orders.get(order_id)) is not None:
            now = entry.item.model_copy(update={"updated_at": utc_now()})
            self.update(now, event, tracking)

    def reject_exit(self, order_id: str) -> None:
        """Record that an exit could not be placed when its entry filled."""
        if order_id in self._expected:
            self.create(*self._expected[order_id])
        self.apply_event(order_id, "refused")

    def bind(self, order_id: str, exchange_id: str) -> None:
        """Record the exchange's id of an order."""
        self._ids.bind(exchange_id, order_id)
        tracking = replace(self.tracking_of(order_id), exchange_id=exchange_id)
        self._store.set_tracking(order_id, tracking)

    def mark_edited(self, order_id: str) -> None:
        """Record that a change of an order is being sent to its exchange."""
        self._store.set_tracking(order_id, replace(self.tracking_of(order_id), is_edited=True))

    def _create_reported(self, order_id: str, raw: RawOrder, exchange: str) -> Entry[Order]:
        expected = self._expected.pop(order_id, None)
        exchange_id = exchange_id_of(raw)
        if expected is not None:
            order, tracking = expected
            if order_id not in self.executions:
                order = with_placed_quantity(order, raw)  # an exit is smaller by its entry's fee
            return self.create(order, replace(tracking, exchange_id=exchange_id))
        order = order_from_dict(raw, exchange, utc_now(), None, paper=self._mode == "paper")
        if self.real_fills is not None:
            order = self.real_fills.adopt(order, exchange_id)
        return self.create(before_any_fill(order), OrderTracking(exchange_id=exchange_id))

    def _completed(self, order: Order) -> Order:
        return order if self.real_fills is None else self.real_fills.complete(order)

    def _index(self, order: Order, tracking: OrderTracking) -> None:
        """Index an order by its id at the exchange, and the exits that its fill places."""
        self._ids.bind(tracking.exchange_id, order.id)
        if order.status == "filled" or (order.filled and self._mode == "paper"):
            self.brackets.note_fill(order, tracking)
        elif order.status not in OPEN_STATUSES:
            for exit_ in tracking.exits:
                self.forget(exit_.id)

    def is_known(self, order_id: str) -> bool:
        """Return whether an order is in memory."""
        return self.orders.get(order_id) is not None

    def _is_ours(self, order_id: str) -> bool:
        return order_id in self._expected or self.is_known(order_id)
