"""Recognition of an order among an exchange's rows by what it is, where no id tells it.

Needed where an exchange has no client order ids, or does not tell them: Kraken gives "0" to all
orders, others null.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from backend.bridge.octobot.client_order_ids import client_id_of
from backend.bridge.octobot.conversion import ZERO, decimal_or_none
from backend.ports.order_tracking import OrderTracking
from backend.schemas.orders import Order

CLOCK_SKEW = timedelta(seconds=10)
SENT_WITHIN = timedelta(minutes=5)
"""The bot sends an order so soon, unless it waits for another one's fill or for a trigger."""

Row = Mapping[str, Any]
IsTaken = Callable[[str], bool]
"""Whether an id of the exchange belongs to another order of ours."""


class Likeness:
    """Symbol, side, amount, prices and time of an order, to compare with an exchange's rows."""

    def __init__(self, order: Order, tracking: OrderTracking, is_taken: IsTaken) -> None:
        self._order = order
        self._is_taken = is_taken
        waits = order.parent_order_id is not None or tracking.sending is not None
        self._since = order.created_at - CLOCK_SKEW
        self._until = None if waits else order.created_at + SENT_WITHIN

    def find(self, rows: Iterable[Row]) -> Row | None:
        """Return the row that was created first of those like the order, or None."""
        alike = [row for row in rows if self._is_alike(row)]
        return min(alike, key=lambda row: row["timestamp"], default=None)

    def find_filled(self, trades: Iterable[Row]) -> Row | None:
        """Return a row of the order made from its trades, where no list has the order."""
        by_order: dict[str, list[Row]] = {}
        for trade in trades:
            if trade.get("order") and self._is_candidate(trade, str(trade["order"])):
                by_order.setdefault(str(trade["order"]), []).append(trade)
        rows = [row_of_trades(self._order, of_order) for of_order in by_order.values()]
        alike = [row for row in rows if row["filled"] == self._order.quantity]
        return min(alike, key=lambda row: row["timestamp"], default=None)

    def _is_alike(self, row: Row) -> bool:
        return (
            self._is_candidate(row, str(row.get("id")))
            and decimal_or_none(row.get("amount")) == self._order.quantity
            and _is_price(row.get("price"), self._order.price)
            and _is_price(row.get("triggerPrice"), self._order.stop_price)
        )

    def _is_candidate(self, row: Row, exchange_id: str) -> bool:
        order = self._order
        return (
            client_id_of(row) is None
            and not self._is_taken(exchange_id)
            and row.get("symbol") in (None, order.symbol)
            and row.get("side") == order.side
            and self._is_in_time(row.get("timestamp"))
        )

    def _is_in_time(self, timestamp_ms: Any) -> bool:
        if not timestamp_ms:
            return False
        at = datetime.fromtimestamp(float(timestamp_ms) / 1000, timezone.utc)
        return self._since <= at and (self._until is None or at <= self._until)


def row_of_trades(order: Order, trades: Sequence[Row]) -> dict[str, Any]:
    """Return a row of an order as its trades tell it: closed, whatever was executed."""
    filled = sum((decimal_or_none(trade.get("amount")) or ZERO for trade in trades), ZERO)
    cost = sum((_cost(trade) for trade in trades), ZERO)
    return {
        "id": str(trades[0]["order"]),
        "timestamp": min(float(trade.get("timestamp") or 0) for trade in trades),
        "status": "closed",
        "amount": order.quantity,
        "filled": filled,
        "cost": cost,
        "average": cost / filled if filled else None,
    }


def _cost(trade: Row) -> Decimal:
    price, amount = decimal_or_none(trade.get("price")), decimal_or_none(trade.get("amount"))
    return decimal_or_none(trade.get("cost")) or (price or ZERO) * (amount or ZERO)


def _is_price(told: Any, wanted: Decimal | None) -> bool:
    """Return whether a told price may be the wanted one: some rows lack it, or have another's."""
    price = decimal_or_none(told)
    return wanted is None or price is None or price == wanted
