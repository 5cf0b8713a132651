"""What the bot's orders and trades have come to: the truth that lists and streams show.

Written on the bot's loop only; read from any thread. Every change goes to the
recorder, which commits it and then publishes its event.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from octobot_trading.enums import ExchangeConstantsOrderColumns as Col

from backend.bridge.ledger.booking import PositionBook
from backend.bridge.ledger.bracket_state import BracketState
from backend.bridge.ledger.history import Entry
from backend.bridge.ledger.order_ids import OrderIds
from backend.bridge.ledger.order_store import OPEN_STATUSES, OrderStore
from backend.bridge.ledger.outbox import Outbox
from backend.bridge.ledger.rows import SettledIntent
from backend.bridge.octobot.conversion import (
    before_any_fill,
    is_execution,
    order_from_dict,
    trade_from_dict,
    trade_id,
    trade_of_fill,
)
from backend.ports.journal import StoredOrder, StoredTrade
from backend.ports.order_tracking import UNTRACKED, OrderTracking
from backend.schemas.common import utc_now
from backend.schemas.orders import Order
from backend.schemas.trades import Trade

_EVENT_NAMES = {
    "filled": "order_filled",
    "canceled": "order_canceled",
    "expired": "order_canceled",
    "rejected": "order_canceled",
}


class Ledger:
    """Orders and trades as the bot and the exchanges report them."""

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
        self._held: dict[str, list[tuple[dict[str, Any], str]]] = {}
        self._ids = OrderIds(self._is_ours)
        self._unclaimed: list[tuple[dict[str, Any], str, bool]] = []
        self._untraded: set[str] = set()
        self._rejected: set[str] = set()
        self._brackets = BracketState()
        self.orders = self._store.orders
        self.trades = self._store.trades

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
        """Return what is tracked of an open order."""
        return self._store.tracking_of(order_id)

    def is_unsent(self, order_id: str) -> bool:
        """Return whether an open order has triggered, and is certainly not at its exchange."""
        return self.tracking_of(order_id).sending == "due"

    @property
    def awaits_trades(self) -> bool:
        """Tell whether an order has filled whose trade is still to come."""
        return bool(self._untraded)

    def due_exits(self) -> list[Order]:
        """Return the exits of filled entries that are not there yet."""
        return self._brackets.due(self._is_known)

    def other_half_ended(self, order: Order) -> bool:
        """Tell whether an exit's other half has filled or was canceled, and this one goes too."""
        return order.parent_order_id is not None and any(
            entry.item.parent_order_id == order.parent_order_id
            and entry.item.id != order.id
            and entry.item.status in ("filled", "canceled")
            for entry in self.orders.newest_first()
        )

    def unplaced_exits(self, exchange: str) -> list[Order]:
        """Enter the exits of filled entries that a stop kept from being placed; return them.

        Before a bot is restored only. A cancel whose fill did not come is forgotten.
        """
        self._brackets.forget_withheld()
        return [
            self.create(order, OrderTracking(group=order.parent_order_id)).item
            for order in self._brackets.due(self._is_known)
            if order.exchange == exchange
        ]

    def load(self, orders: Sequence[StoredOrder], trades: Sequence[StoredTrade]) -> None:
        """Load the rows of an earlier process, oldest first; before the first boot only."""
        self._store.load(orders, trades)
        for stored in orders:
            if stored.account == self.account(stored.order.exchange):
                self._follow(stored.order, stored.tracking)

    # ---- what is about to happen, on the bot's loop

    def expect(self, order: Order, tracking: OrderTracking) -> None:
        """Note an order as it was asked for, before the bot sees it."""
        self._expected[order.id] = (order, tracking)

    def forget(self, order_id: str) -> None:
        """Drop an expected order that never came to be."""
        self._expected.pop(order_id, None)

    def refuse_exit(self, order_id: str) -> None:
        """Enter an exit that could not be placed when its entry filled."""
        if order_id in self._expected:
            self.create(*self._expected[order_id])
        entry = self.orders.get(order_id)
        if entry is not None:
            ended = {"status": "rejected", "updated_at": utc_now()}
            self.update(entry.item.model_copy(update=ended))

    def reject(self, order_id: str) -> None:
        """Let the coming end of an order count as a rejection, not as a cancel."""
        self._rejected.add(order_id)

    # ---- what has happened, on the bot's loop

    def record_order(self, raw: dict[str, Any], exchange: str) -> None:
        """Take in an order's present state and publish what changed.

        One that may be ours but for a lost answer waits: `claim` comes when that is settled.
        """
        order_id = self._ids.of_order(raw)
        known = self.orders.get(order_id)
        if known is None:
            if order_id not in self._expected and self._may_be_lost(raw):
                return
            known = self._create(order_id, raw, exchange)
        if known.item.status not in OPEN_STATUSES or known.item.status == "unknown":
            return  # of an order in doubt, only what the exchange answers when asked is believed
        order = order_from_dict(raw, exchange, utc_now(), known.item, paper=self._mode == "paper")
        if order.status == "canceled":
            if self.tracking_of(order_id).is_edited:
                # OctoBot may have read a list of open orders from before the change
                self.doubt(order_id)
                return
            if self._brackets.withhold(order_id, (raw, exchange)):
                return
            if order_id in self._rejected:
                self._rejected.discard(order_id)
                order = order.model_copy(update={"status": "rejected"})
        at_once = order.status == "filled" and self._mode == "paper"
        with self._store.transaction():
            self._release_half(order)
            self.update(order, trade=trade_of_fill(raw, order) if at_once else None)

    def await_fill(self, halves: Collection[str], filling: str) -> None:
        """Enter the coming cancels of these exits together with the other one's fill."""
        self._brackets.await_fill(halves, filling)

    def expect_no_fill(self, filling: str) -> None:
        """Enter the cancels that were to come with an order's fill, if they wait still."""
        for raw, exchange in self._brackets.release(filling):
            self.record_order(raw, exchange)

    def _release_half(self, order: Order) -> None:
        """Enter what waited for an order's end, if it has ended: its other half goes with it."""
        if order.status in OPEN_STATUSES:
            return
        self.expect_no_fill(order.id)
        if order.status == "filled" and order.parent_order_id is not None:
            for half in self._brackets.due(self._is_known, order.parent_order_id):
                # OctoBot does not place the other half of an exit that has filled already
                created = self.create(half).item
                ended = {"status": "canceled", "updated_at": utc_now()}
                self.update(created.model_copy(update=ended))

    def update(
        self,
        order: Order,
        tracking: OrderTracking | None = None,
        trade: Trade | None = None,
    ) -> Order:
        """Put an order's newer state in the place of the older one, if anything changed.

        `trade` is what filled it, when that is known: both are committed as one.
        """
        before = self.orders.get(order.id)
        if before is None or before.item.status not in OPEN_STATUSES:
            return order if before is None else before.item
        if tracking is not None:
            self._store.set_tracking(order.id, tracking)
        unchanged = order.model_copy(update={"updated_at": before.item.updated_at}) == before.item
        if unchanged and tracking is None:
            return before.item
        if order.status == "filled" and trade is None:
            self._untraded.add(order.id)
        self._follow(order, self.tracking_of(order.id))
        self._store.put_order(order, _EVENT_NAMES.get(order.status, "order_updated"), trade=trade)
        self._release_trades(order)
        return order

    def claim(self, open_orders: Iterable[tuple[dict[str, Any], str]]) -> None:
        """Look again at what waited for a lost order to be settled."""
        for raw, exchange in open_orders:
            self.record_order(raw, exchange)
        unclaimed, self._unclaimed = self._unclaimed, []
        for trade, exchange, old in unclaimed:
            self.record_trade(trade, exchange, old=old)

    def bind(self, order_id: str, exchange_id: str) -> None:
        """Note which order of the exchange is ours."""
        self._ids.bind(exchange_id, order_id)
        self._store.set_tracking(
            order_id, replace(self.tracking_of(order_id), exchange_id=exchange_id)
        )

    def mark_edited(self, order_id: str) -> None:
        """Note that a change of an order is being sent to its exchange."""
        self._store.set_tracking(order_id, replace(self.tracking_of(order_id), is_edited=True))

    def doubt(self, order_id: str) -> None:
        """Enter that nobody knows how an open order stands, until the exchange has been asked."""
        entry = self.orders.get(order_id)
        if entry is not None:
            in_doubt = {"status": "unknown", "updated_at": utc_now()}
            self.update(entry.item.model_copy(update=in_doubt))

    def create(self, order: Order, tracking: OrderTracking = UNTRACKED) -> Entry[Order]:
        """Enter a new order of which the bot has not spoken itself."""
        self._expected.pop(order.id, None)
        self._store.set_tracking(order.id, tracking)
        self._follow(order, tracking)
        return self._store.put_order(order, "order_created", new=True)

    def lose(self, order: Order) -> None:
        """Enter an order that was asked for and never placed."""
        self.create(order)
        self._store.commit([SettledIntent(order.id, "lost")])
        self.update(order.model_copy(update={"status": "rejected", "updated_at": utc_now()}))

    def record_trade(self, raw: dict[str, Any], exchange: str, *, old: bool = False) -> None:
        """Take in a trade; it is published after the order that it filled."""
        if not is_execution(raw) or self.trades.get(trade_id(raw)) is not None:
            return
        order_id = self._ids.of_trade(raw)
        order = self.orders.get(order_id)
        if order is None and self._may_be_lost(raw):
            self._unclaimed.append((raw, exchange, old))
            return
        if order is not None and order.item.status in OPEN_STATUSES:
            self._held.setdefault(order_id, []).append((raw, exchange))
            return
        self._untraded.discard(order_id)
        if order is not None and self._store.traded(order_id) >= order.item.filled:
            return  # it came before, under the id that OctoBot had for it then
        client_id = order.item.client_order_id if order else None
        self._store.put_trade(trade_from_dict(raw, exchange, order_id, client_id), old=old)

    def adopt(self, open_orders: Iterable[tuple[dict[str, Any], str]]) -> None:
        """Take in the orders that the bot holds after a boot, and show what is open now."""
        for raw, exchange in open_orders:
            self.record_order(raw, exchange)
        self._store.replace_snapshot()

    def _is_known(self, order_id: str) -> bool:
        return self.orders.get(order_id) is not None

    def _is_ours(self, order_id: str) -> bool:
        return order_id in self._expected or self._is_known(order_id)

    def _follow(self, order: Order, tracking: OrderTracking) -> None:
        """Index an order's state: its id at the exchange, and the exits that it brings about."""
        self._ids.bind(tracking.exchange_id, order.id)
        if order.status == "filled":
            self._brackets.note_fill(order, tracking)
        elif order.status not in OPEN_STATUSES:
            for exit_ in tracking.exits:
                self.forget(exit_.id)

    def _may_be_lost(self, raw: dict[str, Any]) -> bool:
        """Tell whether this may be one of the orders whose answer got lost."""
        return not self._ids.knows(raw) and any(
            entry.item.status == "unknown" and entry.item.symbol == raw[Col.SYMBOL.value]
            for entry in self.open_orders
        )

    def _create(self, order_id: str, raw: dict[str, Any], exchange: str) -> Entry[Order]:
        expected = self._expected.pop(order_id, None)
        given = raw.get(Col.EXCHANGE_ID.value)
        exchange_id = None if given is None else str(given)
        if expected is not None:
            order, tracking = expected
            quantity = raw[Col.AMOUNT.value]  # an exit is smaller than asked by its entry's fee
            order = order.model_copy(update={"quantity": quantity, "remaining": quantity})
            return self.create(order, replace(tracking, exchange_id=exchange_id))
        order = order_from_dict(raw, exchange, utc_now(), None, paper=self._mode == "paper")
        return self.create(before_any_fill(order), OrderTracking(exchange_id=exchange_id))

    def _release_trades(self, order: Order) -> None:
        if order.status not in OPEN_STATUSES:
            for raw, exchange in self._held.pop(order.id, []):
                self.record_trade(raw, exchange)
