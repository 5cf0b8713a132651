"""What the bot's orders and trades have come to: the truth that lists and streams show.

Written on the bot's loop only; read from any thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from octobot_trading.enums import ExchangeConstantsOrderColumns as Col

from backend.bridge.convert import is_execution, order_from_dict, trade_from_dict
from backend.bridge.history import Entry, History
from backend.schemas.common import time_text, utc_now
from backend.schemas.events import Event, EventSink, Topic
from backend.schemas.orders import NewOrder, Order
from backend.schemas.trades import Trade

_KEPT = 20_000
OPEN_STATUSES = frozenset({"open", "partially_filled", "unknown"})
_EVENT_NAMES = {
    "filled": "order_filled",
    "canceled": "order_canceled",
    "expired": "order_canceled",
    "rejected": "order_canceled",
}


class Ledger:
    """Orders and trades, newest last, and the events that tell of each change."""

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink
        self._expected: dict[str, Order] = {}
        self._held: dict[str, list[tuple[dict[str, Any], str]]] = {}
        self._open: dict[str, Entry[Order]] = {}
        self.orders: History[Order] = History(_KEPT)
        self.trades: History[Trade] = History(_KEPT)
        self.open_orders: tuple[Entry[Order], ...] = ()
        self.version = 0
        self._untraded: set[str] = set()
        self._rejected: set[str] = set()

    @property
    def awaits_trades(self) -> bool:
        """Tell whether an order has filled whose trade is still to come."""
        return bool(self._untraded)

    def expect(self, order_id: str, asked: NewOrder, exchange: str) -> None:
        """Note what was asked for, before the bot sees it; `forget` it when it is refused."""
        now = utc_now()
        zero = Decimal(0)
        self._expected[order_id] = Order(
            id=order_id,
            client_order_id=asked.client_order_id,
            exchange=exchange,
            symbol=asked.symbol,
            side=asked.side,
            type=asked.type,
            status="open",
            quantity=asked.quantity,
            filled=zero,
            remaining=asked.quantity,
            price=asked.price,
            stop_price=asked.stop_price,
            average_price=None,
            cost=zero,
            fee=None,
            reduce_only=asked.reduce_only,
            tag=asked.tag,
            created_at=now,
            updated_at=now,
        )

    def forget(self, order_id: str) -> None:
        """Drop an expected order that never came to be."""
        self._expected.pop(order_id, None)

    def reject(self, order_id: str) -> None:
        """Let the coming end of an order count as a rejection, not as a cancel."""
        self._rejected.add(order_id)

    def record_order(self, raw: dict[str, Any], exchange: str) -> Order:
        """Take in an order's present state and publish what changed."""
        order_id = str(raw[Col.ID.value])
        known = self.orders.get(order_id)
        if known is None:
            known = self._create(order_id, raw, exchange)
        if known.item.status not in OPEN_STATUSES:
            return known.item
        order = order_from_dict(raw, exchange, utc_now(), known.item)
        if order.status == "canceled" and order_id in self._rejected:
            self._rejected.discard(order_id)
            order = order.model_copy(update={"status": "rejected"})
        if order.model_copy(update={"updated_at": known.item.updated_at}) != known.item:
            if order.status == "filled":
                self._untraded.add(order.id)
            self._store(order, _EVENT_NAMES.get(order.status, "order_updated"))
            self._release_trades(order)
        return order

    def record_trade(self, raw: dict[str, Any], exchange: str, *, old: bool = False) -> None:
        """Take in a trade; it is published after the order that it filled."""
        if not is_execution(raw) or self.trades.get(str(raw[Col.ID.value])) is not None:
            return
        order = self.orders.get(str(raw[Col.ORDER_ID.value]))
        if order is not None and order.item.status in OPEN_STATUSES:
            self._held.setdefault(order.item.id, []).append((raw, exchange))
            return
        self._untraded.discard(str(raw[Col.ORDER_ID.value]))
        client_id = order.item.client_order_id if order else None
        trade = trade_from_dict(raw, exchange, client_id)
        entry = self.trades.append(trade, trade.model_dump_json().encode())
        self.version += 1
        if not old:
            self._publish(
                "trades", "trade", trade.symbol, trade.exchange, "trade", trade.id, entry.json
            )

    def adopt(self, open_orders: Iterable[tuple[dict[str, Any], str]]) -> None:
        """Make the open orders those that the bot holds, after a boot."""
        held = {str(raw[Col.ID.value]): (raw, exchange) for raw, exchange in open_orders}
        for entry in list(self._open.values()):
            if entry.item.id not in held:
                self._store(
                    entry.item.model_copy(update={"status": "canceled", "updated_at": utc_now()}),
                    "order_canceled",
                )
        for raw, exchange in held.values():
            self.record_order(raw, exchange)
        self._sink.load("orders", {e.item.id: (e.item.symbol, e.json) for e in self._open.values()})

    def _create(self, order_id: str, raw: dict[str, Any], exchange: str) -> Entry[Order]:
        order = self._expected.pop(order_id, None)
        if order is None:
            order = order_from_dict(raw, exchange, utc_now(), None).model_copy(
                update={"status": "open"}
            )
            order = _as_created(order)
        return self._store(order, "order_created", new=True)

    def _store(self, order: Order, event: str, *, new: bool = False) -> Entry[Order]:
        json = order.model_dump_json().encode()
        entry = self.orders.append(order, json) if new else self.orders.replace(order, json)
        if order.status in OPEN_STATUSES:
            self._open[order.id] = entry
        else:
            self._open.pop(order.id, None)
        self.open_orders = tuple(sorted(self._open.values(), key=lambda e: -e.place))
        self.version += 1
        ended = order.status not in OPEN_STATUSES
        self._publish(
            "orders", event, order.symbol, order.exchange, "order", order.id, json, ended=ended
        )
        return entry

    def _release_trades(self, order: Order) -> None:
        if order.status not in OPEN_STATUSES:
            for raw, exchange in self._held.pop(order.id, []):
                self.record_trade(raw, exchange)

    def _publish(
        self,
        topic: Topic,
        name: str,
        symbol: str,
        exchange: str,
        label: str,
        key: str,
        json: bytes,
        *,
        ended: bool = False,
    ) -> None:
        data = event_data(exchange, symbol, label, json)
        self._sink.publish(Event(topic, name, key, symbol, data, None if ended else json))


def event_data(exchange: str | None, symbol: str | None, label: str, json: bytes) -> bytes:
    """Write an event's data line: where, what, when, and the thing under its name."""
    where = b"null" if exchange is None else b'"%b"' % exchange.encode()
    what = b"null" if symbol is None else b'"%b"' % symbol.encode()
    when = time_text(utc_now()).encode()
    return b'{"exchange":%b,"symbol":%b,"timestamp":"%b","%b":%b}' % (
        where,
        what,
        when,
        label.encode(),
        json,
    )


def _as_created(order: Order) -> Order:
    """Return the order as it was before any fill, for orders first seen filled."""
    return order.model_copy(
        update={
            "filled": Decimal(0),
            "remaining": order.quantity,
            "average_price": None,
            "cost": Decimal(0),
            "fee": None,
        }
    )
