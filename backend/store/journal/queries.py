"""Queries on orders and trades, by place and by id."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from backend.ports.journal import SerializedTrade, StoredExecution, StoredOrder, StoredTrade
from backend.store.journal.mapping import read_execution, read_order, read_trade
from backend.store.journal.models import OrderRow, TradeRow

_ORDERS = select(OrderRow.__table__)
_TRADES = select(TradeRow.__table__)
_SERIALIZED = select(TradeRow.place, TradeRow.account, TradeRow.body)


def newest_orders(connection: Connection, limit: int) -> list[StoredOrder]:
    """Return the newest orders, oldest first."""
    rows = connection.execute(_ORDERS.order_by(OrderRow.place.desc()).limit(limit)).all()
    return [read_order(row) for row in reversed(rows)]


def newest_trades(connection: Connection, limit: int) -> list[StoredTrade]:
    """Return the newest trades, oldest first."""
    rows = connection.execute(_TRADES.order_by(TradeRow.place.desc()).limit(limit)).all()
    return [read_trade(row) for row in reversed(rows)]


def open_orders(connection: Connection, account: str) -> list[StoredOrder]:
    """Return an account's open orders, oldest first."""
    query = _ORDERS.where(OrderRow.is_open, OrderRow.account == account)
    return [read_order(row) for row in connection.execute(query.order_by(OrderRow.place))]


def orders_before(
    connection: Connection,
    place: int,
    limit: int,
    symbol: str | None,
    side: str | None,
    status: str,
) -> list[StoredOrder]:
    """Return the orders older than a place, newest first."""
    query = _ORDERS.where(OrderRow.place < place)
    if symbol is not None:
        query = query.where(OrderRow.symbol == symbol)
    if side is not None:
        query = query.where(OrderRow.side == side)
    if status != "all":
        query = query.where(OrderRow.is_open if status == "open" else ~OrderRow.is_open)
    rows = connection.execute(query.order_by(OrderRow.place.desc()).limit(limit))
    return [read_order(row) for row in rows]


def trades_before(
    connection: Connection,
    place: int,
    limit: int,
    symbol: str | None,
    since: datetime | None,
    until: datetime | None,
) -> list[SerializedTrade]:
    """Return the trades older than a place, newest first."""
    query = _SERIALIZED.where(TradeRow.place < place)
    if symbol is not None:
        query = query.where(TradeRow.symbol == symbol)
    if since is not None:
        query = query.where(TradeRow.executed_at >= since)
    if until is not None:
        query = query.where(TradeRow.executed_at < until)
    rows = connection.execute(query.order_by(TradeRow.place.desc()).limit(limit))
    return [SerializedTrade(place, account, body.encode()) for place, account, body in rows]


def executions_between(
    connection: Connection, after: int, before: int, limit: int
) -> list[StoredExecution]:
    """Return the trades between two places, oldest first."""
    query = _SERIALIZED.where(TradeRow.place > after, TradeRow.place < before)
    rows = connection.execute(query.order_by(TradeRow.place).limit(limit))
    return [read_execution(place, account, body) for place, account, body in rows]


def find_order(
    connection: Connection, order_id: str | None, client_order_id: str | None
) -> StoredOrder | None:
    """Return the order with this id, or else the newest with this client order id."""
    if order_id is not None:
        query = _ORDERS.where(OrderRow.id == order_id)
    elif client_order_id is not None:
        query = _ORDERS.where(OrderRow.client_order_id == client_order_id)
    else:
        return None
    row = connection.execute(query.order_by(OrderRow.place.desc()).limit(1)).first()
    return None if row is None else read_order(row)


def find_trade(connection: Connection, trade_id: str) -> StoredTrade | None:
    """Return the trade with this id."""
    row = connection.execute(_TRADES.where(TradeRow.id == trade_id)).first()
    return None if row is None else read_trade(row)
