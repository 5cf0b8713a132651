"""What the bot's orders and trades have come to: the truth that lists and streams show.

Written on the bot's loop only; read from any thread. Every change goes to the
recorder, which commits it and then publishes its event.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import islice
from typing import Any

from octobot_trading.enums import ExchangeConstantsOrderColumns as Col

from backend.accounting.balances import changes_by
from backend.bridge.convert import (
    ZERO,
    is_execution,
    order_from_dict,
    trade_from_dict,
    trade_id,
    trade_of_fill,
)
from backend.bridge.effects import event_data
from backend.bridge.history import Entry, History
from backend.bridge.recorder import Change, Recorder
from backend.schemas.common import utc_now
from backend.schemas.events import Event
from backend.schemas.journal import StoredOrder, StoredTrade
from backend.schemas.orders import Order
from backend.schemas.trades import Trade

KEPT = 20_000
_TRADES_SHOWN = 100
OPEN_STATUSES = frozenset({"open", "partially_filled", "unknown"})
_EVENT_NAMES = {
    "filled": "order_filled",
    "canceled": "order_canceled",
    "expired": "order_canceled",
    "rejected": "order_canceled",
}


class Ledger:
    """Orders and trades, newest last, and the events that tell of each change."""

    def __init__(self, recorder: Recorder, mode: str) -> None:
        self._recorder = recorder
        self._mode = mode
        self._expected: dict[str, tuple[Order, Mapping[str, Any]]] = {}
        self._held: dict[str, list[tuple[dict[str, Any], str]]] = {}
        self._open: dict[str, Entry[Order]] = {}
        self._rebuild: dict[str, Mapping[str, Any]] = {}
        self._by_exchange_id: dict[str, str] = {}
        self._unclaimed: list[tuple[dict[str, Any], str, bool]] = []
        self._untraded: set[str] = set()
        self._traded: dict[str, Decimal] = {}
        self._rejected: set[str] = set()
        self._filled_with_exits: dict[str, Mapping[str, Any]] = {}
        self.orders: History[Order] = History(KEPT)
        self.trades: History[Trade] = History(KEPT)
        self.open_orders: tuple[Entry[Order], ...] = ()
        self.version = 0

    @property
    def awaits_trades(self) -> bool:
        """Tell whether an order has filled whose trade is still to come."""
        return bool(self._untraded)

    def account(self, exchange: str) -> str:
        """Name the account that orders on this exchange belong to."""
        return f"{exchange}:{self._mode}"

    def load(self, orders: Sequence[StoredOrder], trades: Sequence[StoredTrade]) -> None:
        """Take in what an earlier process left, oldest first; before the first boot only."""
        for stored in orders:
            self.orders.pass_by(stored.place)
            if stored.account == self.account(stored.order.exchange):
                json = stored.order.model_dump_json().encode()
                entry = self.orders.append(stored.order, json, stored.place)
                self._index(entry, stored.rebuild)
                if stored.order.status == "filled" and stored.rebuild.get("exits"):
                    self._filled_with_exits[stored.order.id] = stored.rebuild
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
        self._recorder.put(Change(snapshot=("trades", shown)))

    def unplaced_exits(self) -> list[Order]:
        """Enter the exits of filled entries that a crash kept from being placed; return them."""
        unplaced = []
        for entry_id, notes in self._filled_with_exits.items():
            for raw in notes["exits"]:
                order = Order.model_validate(raw)
                if self.orders.get(order.id) is None:
                    unplaced.append(self.create(order, {"group": entry_id}).item)
        self._filled_with_exits.clear()
        return unplaced

    def rebuild_of(self, order_id: str) -> Mapping[str, Any]:
        """Return what was noted to rebuild an open order in the bot."""
        return self._rebuild.get(order_id, {})

    # ---- what is about to happen, on the bot's loop

    def expect(self, order: Order, rebuild: Mapping[str, Any]) -> None:
        """Note an order as it was asked for, before the bot sees it."""
        self._expected[order.id] = (order, rebuild)

    def forget(self, order_id: str) -> None:
        """Drop an expected order that never came to be."""
        self._expected.pop(order_id, None)

    def refuse_exit(self, order_id: str) -> None:
        """Enter an exit that could not be placed when its entry filled."""
        expected = self._expected.pop(order_id, None)
        if expected is not None:
            order, rebuild = expected
            self.create(order, rebuild)
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
        order_id = self._own_id(raw)
        known = self.orders.get(order_id)
        if known is None:
            if order_id not in self._expected and self._may_be_lost(raw):
                return
            known = self._create(order_id, raw, exchange)
        if known.item.status not in OPEN_STATUSES:
            return
        order = order_from_dict(raw, exchange, utc_now(), known.item, paper=self._mode == "paper")
        if order.status == "canceled" and order_id in self._rejected:
            self._rejected.discard(order_id)
            order = order.model_copy(update={"status": "rejected"})
        at_once = order.status == "filled" and self._mode == "paper"
        self.update(order, trade=trade_of_fill(raw, order) if at_once else None)

    def update(
        self,
        order: Order,
        rebuild: Mapping[str, Any] | None = None,
        trade: Trade | None = None,
    ) -> Order:
        """Put an order's newer state in the place of the older one, if anything changed.

        `trade` is what filled it, when that is known: both are committed as one.
        """
        before = self.orders.get(order.id)
        if before is None or before.item.status not in OPEN_STATUSES:
            return order if before is None else before.item
        if rebuild is not None:
            self._rebuild[order.id] = rebuild
        unchanged = order.model_copy(update={"updated_at": before.item.updated_at}) == before.item
        if unchanged and rebuild is None:
            return before.item
        if order.status == "filled" and trade is None:
            self._untraded.add(order.id)
        self._store(order, _EVENT_NAMES.get(order.status, "order_updated"), trade=trade)
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
        self._by_exchange_id[exchange_id] = order_id
        self._rebuild[order_id] = {**self._rebuild.get(order_id, {}), "exchange_id": exchange_id}

    def create(self, order: Order, rebuild: Mapping[str, Any]) -> Entry[Order]:
        """Enter a new order of which the bot has not spoken itself."""
        self._rebuild[order.id] = rebuild
        return self._store(order, "order_created", new=True)

    def lose(self, order: Order) -> None:
        """Enter an order that was asked for and never placed."""
        self.create(order, {})
        self._recorder.put(Change(lost=order.id))
        self.update(order.model_copy(update={"status": "rejected", "updated_at": utc_now()}))

    def record_trade(self, raw: dict[str, Any], exchange: str, *, old: bool = False) -> None:
        """Take in a trade; it is published after the order that it filled."""
        if not is_execution(raw) or self.trades.get(trade_id(raw)) is not None:
            return
        order_id = self._own_trade_order(raw)
        order = self.orders.get(order_id)
        if order is None and self._may_be_lost(raw):
            self._unclaimed.append((raw, exchange, old))
            return
        if order is not None and order.item.status in OPEN_STATUSES:
            self._held.setdefault(order_id, []).append((raw, exchange))
            return
        self._untraded.discard(order_id)
        if order is not None and self._traded.get(order_id, ZERO) >= order.item.filled:
            return  # it came before, under the id that OctoBot had for it then
        client_id = order.item.client_order_id if order else None
        self._recorder.put(self._enter(trade_from_dict(raw, exchange, order_id, client_id), old))

    def _enter(self, trade: Trade, old: bool = False) -> Change:
        """Append a trade, and return what is to be committed and told of it."""
        json = trade.model_dump_json().encode()
        entry = self.trades.append(trade, json)
        self._count(trade)
        self.version += 1
        account = self.account(trade.exchange)
        data = event_data(trade.exchange, trade.symbol, "trade", json)
        event = Event("trades", "trade", trade.id, trade.symbol, data, json)
        changes = changes_by(trade) if self._mode == "paper" else {}
        return Change(
            trade=StoredTrade(entry.place, account, trade, changes),
            events=() if old else (event,),
        )

    def _count(self, trade: Trade) -> None:
        self._traded[trade.order_id] = self._traded.get(trade.order_id, ZERO) + trade.quantity

    def adopt(self, open_orders: Iterable[tuple[dict[str, Any], str]]) -> None:
        """Take in the orders that the bot holds after a boot, and show what is open now."""
        for raw, exchange in open_orders:
            self.record_order(raw, exchange)
        self._show_open()

    def _show_open(self) -> None:
        items = {e.item.id: (e.item.symbol, e.json) for e in self._open.values()}
        self._recorder.put(Change(snapshot=("orders", items)))

    def _own_id(self, raw: dict[str, Any]) -> str:
        """Return our id of an order: OctoBot gives orders that it reloads new ids of its own."""
        order_id = str(raw[Col.ID.value])
        if self.orders.get(order_id) is not None or order_id in self._expected:
            return order_id
        exchange_id = str(raw.get(Col.EXCHANGE_ID.value))
        return self._by_exchange_id.get(exchange_id, order_id)

    def _may_be_lost(self, raw: dict[str, Any]) -> bool:
        """Tell whether this may be one of the orders whose answer got lost."""
        return str(raw.get(Col.EXCHANGE_ID.value)) not in self._by_exchange_id and any(
            entry.item.status == "unknown" and entry.item.symbol == raw[Col.SYMBOL.value]
            for entry in self.open_orders
        )

    def _own_trade_order(self, raw: dict[str, Any]) -> str:
        order_id = str(raw[Col.ORDER_ID.value])
        if self.orders.get(order_id) is None:
            exchange_id = str(raw.get(Col.EXCHANGE_ID.value) or order_id)
            return self._by_exchange_id.get(exchange_id, exchange_id)
        return order_id

    def _create(self, order_id: str, raw: dict[str, Any], exchange: str) -> Entry[Order]:
        expected = self._expected.pop(order_id, None)
        exchange_id = {"exchange_id": raw.get(Col.EXCHANGE_ID.value)}
        if expected is not None:
            order, rebuild = expected
            quantity = raw[Col.AMOUNT.value]  # an exit is smaller than asked by its entry's fee
            order = order.model_copy(update={"quantity": quantity, "remaining": quantity})
            return self.create(order, {**rebuild, **exchange_id})
        order = order_from_dict(raw, exchange, utc_now(), None, paper=self._mode == "paper")
        return self.create(_before_any_fill(order), exchange_id)

    def _store(
        self, order: Order, event: str, *, new: bool = False, trade: Trade | None = None
    ) -> Entry[Order]:
        json = order.model_dump_json().encode()
        entry = self.orders.append(order, json) if new else self.orders.replace(order, json)
        rebuild = self._rebuild.get(order.id, {})
        self._index(entry, rebuild)
        self._publish_open()
        ended = order.status not in OPEN_STATUSES
        data = event_data(order.exchange, order.symbol, "order", json)
        told = Event("orders", event, order.id, order.symbol, data, None if ended else json)
        filled_by = Change() if trade is None else self._enter(trade)
        self._recorder.put(
            replace(
                filled_by,
                order=StoredOrder(entry.place, self.account(order.exchange), order, rebuild),
                accepted=order.id if new else None,
                events=(told, *filled_by.events),
            )
        )
        return entry

    def _index(self, entry: Entry[Order], rebuild: Mapping[str, Any]) -> None:
        order = entry.item
        if rebuild.get("exchange_id"):
            self._by_exchange_id[str(rebuild["exchange_id"])] = order.id
        if order.status in OPEN_STATUSES:
            self._open[order.id] = entry
            self._rebuild[order.id] = rebuild
        else:
            self._open.pop(order.id, None)
            self._rebuild.pop(order.id, None)

    def _publish_open(self) -> None:
        self.open_orders = tuple(sorted(self._open.values(), key=lambda entry: -entry.place))
        self.version += 1

    def _release_trades(self, order: Order) -> None:
        if order.status not in OPEN_STATUSES:
            for raw, exchange in self._held.pop(order.id, []):
                self.record_trade(raw, exchange)


def _before_any_fill(order: Order) -> Order:
    """Return the order as it was when it was created, for orders first seen filled."""
    return order.model_copy(
        update={
            "status": "open",
            "filled": ZERO,
            "remaining": order.quantity,
            "average_price": None,
            "cost": ZERO,
            "fee": None,
        }
    )
