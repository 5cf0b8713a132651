"""Orders and trades in memory, and each change of theirs on its way to the journal.

Written on the bot's loop only; read from any thread.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import islice
from operator import attrgetter
from typing import Any

from backend.accounting.balances import changes_by
from backend.bridge.ledger.history import Entry, History
from backend.bridge.ledger.outbox import Change, Outbox
from backend.bridge.octobot.conversion import ZERO
from backend.bridge.paper.margin_accounts import MarginAccounts
from backend.bridge.read_models.event_data import event_data
from backend.ports.events import Event
from backend.ports.journal import StoredOrder, StoredTrade
from backend.schemas.orders import Order
from backend.schemas.trades import Trade

KEPT = 20_000
_PLACE = attrgetter("place")
_TRADES_SHOWN = 100
OPEN_STATUSES = frozenset({"open", "partially_filled", "unknown"})


class OrderStore:
    """Orders and trades, newest last, with the events that tell of each change."""

    def __init__(
        self,
        outbox: Outbox,
        mode: str,
        exchange_type: str = "spot",
        margins: MarginAccounts | None = None,
    ) -> None:
        self._outbox = outbox
        self._mode = mode
        self._kind = mode if exchange_type == "spot" else f"{exchange_type}:{mode}"
        self._margins = margins
        self._open: dict[str, Entry[Order]] = {}
        self._rebuild: dict[str, Mapping[str, Any]] = {}
        self._traded: dict[str, Decimal] = {}
        self._bundle: list[Change] | None = None
        self.orders: History[Order] = History(KEPT)
        self.trades: History[Trade] = History(KEPT)
        self.open_orders: tuple[Entry[Order], ...] = ()
        self.version = 0

    def account(self, exchange: str) -> str:
        """Name the account that orders on this exchange belong to."""
        return f"{exchange}:{self._kind}"

    def rebuild_of(self, order_id: str) -> Mapping[str, Any]:
        """Return what was noted to rebuild an open order in the bot."""
        return self._rebuild.get(order_id, {})

    def is_unsent(self, order_id: str) -> bool:
        """Tell whether an open order has triggered here, and is not at its exchange for certain."""
        return self.rebuild_of(order_id).get("sending") == "due"

    def load(self, orders: Sequence[StoredOrder], trades: Sequence[StoredTrade]) -> None:
        """Take in what an earlier process left, oldest first; before the first boot only."""
        for stored in orders:
            self.orders.pass_by(stored.place)
            if stored.account == self.account(stored.order.exchange):
                json = stored.order.model_dump_json().encode()
                self._index(self.orders.append(stored.order, json, stored.place), stored.rebuild)
        for row in trades:
            self.trades.pass_by(row.place)
            if row.account == self.account(row.trade.exchange):
                self.trades.append(row.trade, row.trade.model_dump_json().encode(), row.place)
                self._count(row.trade)
        self.orders.complete = len(orders) < KEPT
        self.trades.complete = len(trades) < KEPT
        self._publish_open()
        self._show_open()
        newest = reversed(tuple(islice(self.trades.newest_first(), _TRADES_SHOWN)))
        shown = {entry.item.id: (entry.item.symbol, entry.json) for entry in newest}
        self._put(Change(snapshot=("trades", shown)))

    def _enter_order(
        self, order: Order, event: str, *, new: bool = False, trade: Trade | None = None
    ) -> Entry[Order]:
        """Put an order's state in its place, and the trade that filled it with it."""
        json = order.model_dump_json().encode()
        entry = self.orders.append(order, json) if new else self.orders.replace(order, json)
        rebuild = self._rebuild.get(order.id, {})
        self._index(entry, rebuild)
        self._publish_open()
        item = json if order.status in OPEN_STATUSES else None
        data = event_data(order.exchange, order.symbol, "order", json)
        told = Event("orders", event, order.id, order.symbol, data, item)
        filled_by = Change() if trade is None else self._enter_trade(trade)
        self._put(
            replace(
                filled_by,
                order=StoredOrder(entry.place, self.account(order.exchange), order, rebuild, json),
                accepted=order.id if new else None,
                events=(told, *filled_by.events),
            )
        )
        return entry

    def _enter_trade(self, trade: Trade, old: bool = False) -> Change:
        """Append a trade, and return what is to be committed and told of it."""
        json = trade.model_dump_json().encode()
        entry = self.trades.append(trade, json)
        self._count(trade)
        self.version += 1
        account = self.account(trade.exchange)
        data = event_data(trade.exchange, trade.symbol, "trade", json)
        event = Event("trades", "trade", trade.id, trade.symbol, data, json)
        if self._margins is None:
            changes = changes_by(trade) if self._mode == "paper" else {}
            stored = StoredTrade(entry.place, account, trade, changes)
            return Change(trade=stored, events=() if old else (event,))
        booking = self._margins.book(trade, account)
        return Change(
            trade=StoredTrade(entry.place, account, trade, booking.changes),
            position=booking.position,
            events=(event, *booking.events),
        )

    def _index(self, entry: Entry[Order], rebuild: Mapping[str, Any]) -> None:
        """Keep what is looked up by the state of an order."""
        order = entry.item
        if order.status in OPEN_STATUSES:
            self._open[order.id] = entry
            self._rebuild[order.id] = rebuild
        else:
            self._open.pop(order.id, None)
            self._rebuild.pop(order.id, None)

    def _publish_open(self) -> None:
        self.open_orders = tuple(sorted(self._open.values(), key=_PLACE, reverse=True))
        self.version += 1

    def _show_open(self) -> None:
        items = {e.item.id: (e.item.symbol, e.json) for e in self._open.values()}
        self._put(Change(snapshot=("orders", items)))

    def _count(self, trade: Trade) -> None:
        self._traded[trade.order_id] = self._traded.get(trade.order_id, ZERO) + trade.quantity

    def _put(self, change: Change) -> None:
        if self._bundle is None:
            self._outbox.put(change)
        else:
            self._bundle.append(change)

    @contextlib.contextmanager
    def _as_one(self) -> Iterator[None]:
        """Have all that is entered inside committed together, or nothing of it."""
        if self._bundle is not None:
            yield
            return
        self._bundle = []
        try:
            yield
        finally:
            bundle, self._bundle = self._bundle, None
            self._outbox.put(*bundle)
