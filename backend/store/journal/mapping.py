"""Mapping between table rows and the records of `ports.journal`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
from sqlalchemy import Row

from backend.ports.journal import (
    Intent,
    JournalEvent,
    StoredEvent,
    StoredExecution,
    StoredOrder,
    StoredPosition,
    StoredTrade,
)
from backend.ports.order_tracking import OrderTracking
from backend.schemas.orders import Order
from backend.schemas.trades import Charge, Execution, Trade

OPEN_STATUSES = frozenset({"open", "partially_filled", "unknown"})


def as_json(value: Mapping[str, Any]) -> str:
    """Encode a mapping as JSON; raises TypeError for a Decimal, which JSON would round."""
    return orjson.dumps(dict(value)).decode()


def is_open(order: Order) -> bool:
    """Return whether an order may still change."""
    return order.status in OPEN_STATUSES


def intent_values(intent: Intent) -> dict[str, object]:
    """Return the columns of an intent."""
    return {
        "order_id": intent.order_id,
        "user_id": intent.user_id,
        "keys": orjson.dumps(intent.keys).decode(),
        "fingerprint": intent.fingerprint,
        "asked": as_json(intent.request),
        "account": intent.account,
        "created_at": intent.created_at,
        "state": intent.state,
        "answer": None if intent.answer is None else as_json(intent.answer),
    }


def read_intent(row: Row[Any]) -> Intent:
    """Return the intent of a row."""
    return Intent(
        order_id=row.order_id,
        user_id=row.user_id,
        keys=tuple(orjson.loads(row.keys)),
        fingerprint=row.fingerprint,
        request=orjson.loads(row.asked),
        account=row.account,
        created_at=row.created_at,
        state=row.state,
        answer=None if row.answer is None else orjson.loads(row.answer),
    )


def order_values(stored: StoredOrder) -> dict[str, object]:
    """Return the columns of an order."""
    order = stored.order
    return {
        "id": order.id,
        "place": stored.place,
        "account": stored.account,
        "client_order_id": order.client_order_id,
        "symbol": order.symbol,
        "side": order.side,
        "is_open": is_open(order),
        "body": order.model_dump_json() if stored.json is None else stored.json.decode(),
        "rebuild": as_json(stored.tracking.to_json()),
    }


def read_order(row: Row[Any]) -> StoredOrder:
    """Return the order of a row."""
    order = Order.model_validate_json(row.body)
    tracking = OrderTracking.from_json(orjson.loads(row.rebuild))
    return StoredOrder(row.place, row.account, order, tracking)


def trade_values(stored: StoredTrade) -> dict[str, object]:
    """Return the columns of a trade."""
    trade = stored.trade
    return {
        "id": trade.id,
        "place": stored.place,
        "account": stored.account,
        "symbol": trade.symbol,
        "executed_at": trade.executed_at,
        "body": trade.model_dump_json(),
        "changes": as_json({asset: str(change) for asset, change in stored.changes.items()}),
    }


def read_trade(row: Row[Any]) -> StoredTrade:
    """Return the trade of a row."""
    changes = {asset: Decimal(change) for asset, change in orjson.loads(row.changes).items()}
    return StoredTrade(row.place, row.account, Trade.model_validate_json(row.body), changes)


def read_execution(place: int, account: str, body: str) -> StoredExecution:
    """Return the fields of a trade's row that accounting needs."""
    trade = orjson.loads(body)
    fees = trade.get("fees") or ([] if trade["fee"] is None else [trade["fee"]])
    execution = Execution(
        order_id=trade["order_id"],
        exchange=trade["exchange"],
        symbol=trade["symbol"],
        side=trade["side"],
        price=Decimal(trade["price"]),
        quantity=Decimal(trade["quantity"]),
        cost=Decimal(trade["cost"]),
        fees=tuple(Charge(Decimal(fee["cost"]), fee["currency"]) for fee in fees),
        executed_at=datetime.fromisoformat(trade["executed_at"].replace("Z", "+00:00")),
    )
    return StoredExecution(place, account, execution)


def position_values(stored: StoredPosition) -> dict[str, object]:
    """Return the columns of a position."""
    return {"account": stored.account, "symbol": stored.symbol, "body": as_json(stored.body)}


def read_position(row: Row[Any]) -> StoredPosition:
    """Return the position of a row."""
    return StoredPosition(row.account, row.symbol, orjson.loads(row.body))


def event_values(event: JournalEvent) -> dict[str, object]:
    """Return the columns of an event, without number and time."""
    return {
        "topic": event.topic,
        "name": event.name,
        "key": event.key,
        "symbol": event.symbol,
        "data": event.data,
        "ends": event.ends,
    }


def read_event(row: Row[Any]) -> StoredEvent:
    """Return the event of a row, and its number."""
    event = JournalEvent(row.topic, row.name, row.key, row.symbol, row.data, row.ends)
    return StoredEvent(row.sequence, event)
