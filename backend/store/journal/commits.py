"""Commit of a batch, exactly once: orders, trades, positions, balances, intents, events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow

from sqlalchemy import Connection, bindparam, delete, func, insert, select
from sqlalchemy.sql import ClauseElement

from backend.ports.journal import Batch
from backend.schemas.common import utc_now
from backend.store.journal import bot_state, intents
from backend.store.journal.compiled import Insert, insert_or_ignore, portable, upsert
from backend.store.journal.mapping import event_values, order_values, position_values, trade_values
from backend.store.journal.models import (
    BalanceRow,
    BatchRow,
    EventRow,
    OrderRow,
    PositionRow,
    TradeRow,
)

BATCHES_KEPT = 64
_EXACT = Context(prec=1000, traps=[Inexact, InvalidOperation, Overflow])


def _number(insert_batch: Insert) -> ClauseElement:
    """Insert a batch id with the next number unless it exists."""
    following = select(func.coalesce(func.max(BatchRow.number), 0) + 1).scalar_subquery()
    return insert_batch.values(id=bindparam("id"), number=following).on_conflict_do_nothing()


def _replace_order(insert_order: Insert) -> ClauseElement:
    """Insert an order or replace its state; the indexed columns never change."""
    new = insert_order.excluded
    return insert_order.on_conflict_do_update(
        index_elements=["id"],
        set_={"is_open": new.is_open, "body": new.body, "rebuild": new.rebuild},
    )


def _replace_position(insert_position: Insert) -> ClauseElement:
    return insert_position.on_conflict_do_update(
        index_elements=["account", "symbol"], set_={"body": insert_position.excluded.body}
    )


def _replace_total(insert_balance: Insert) -> ClauseElement:
    return insert_balance.on_conflict_do_update(
        index_elements=["account", "asset"], set_={"total": insert_balance.excluded.total}
    )


_INSERT_BATCH = upsert(BatchRow, _number)
_UPSERT_ORDER = upsert(OrderRow, _replace_order)
_UPSERT_POSITION = upsert(PositionRow, _replace_position)
_INSERT_TRADE = insert_or_ignore(TradeRow)
_DELETE_TRADE = portable(delete(TradeRow).where(TradeRow.id == bindparam("id")))
_TOTALS = portable(
    select(BalanceRow.asset, BalanceRow.total).where(BalanceRow.account == bindparam("account"))
)
_UPSERT_TOTAL = upsert(BalanceRow, _replace_total)
_EVENT_COLUMNS = [column.key for column in EventRow.__table__.columns if column.key != "sequence"]
_INSERT_EVENT = portable(insert(EventRow), _EVENT_COLUMNS)
_HIGHEST = select(func.max(BatchRow.number)).scalar_subquery()
_DELETE_OLD = delete(BatchRow).where(BatchRow.number <= _HIGHEST - BATCHES_KEPT)


def commit(connection: Connection, batch: Batch) -> None:
    """Write a batch unless it was committed before."""
    if not _INSERT_BATCH.run(connection, {"id": batch.id}):
        return
    _UPSERT_ORDER.run(connection, *map(order_values, batch.orders))
    _UPSERT_POSITION.run(connection, *map(position_values, batch.positions))
    _DELETE_TRADE.run(connection, *({"id": trade_id} for trade_id in batch.replaced_trades))
    new_trades = [row for row in batch.trades if _INSERT_TRADE.run(connection, trade_values(row))]
    changes = [*batch.balances.items(), *((trade.account, trade.changes) for trade in new_trades)]
    for account, sums in _summed(changes).items():
        _change_totals(connection, account, sums)
    bot_state.upsert_all(connection, batch.bot_state)
    intents.settle(connection, batch.accepted, "accepted")
    intents.settle(connection, batch.lost, "lost")
    now = utc_now()
    events = ({**event_values(event), "recorded_at": now} for event in batch.events)
    _INSERT_EVENT.run(connection, *events)


def delete_old_batches(connection: Connection) -> None:
    """Delete the ids of batches that can no longer be retried."""
    connection.execute(_DELETE_OLD)


def _summed(changes: Iterable[tuple[str, Mapping[str, Decimal]]]) -> dict[str, dict[str, Decimal]]:
    sums: dict[str, dict[str, Decimal]] = {}
    for account, amounts in changes:
        of_account = sums.setdefault(account, {})
        for asset, amount in amounts.items():
            of_account[asset] = _EXACT.add(of_account.get(asset, Decimal(0)), amount)
    return sums


def _change_totals(connection: Connection, account: str, changes: Mapping[str, Decimal]) -> None:
    """Add to the totals of an account; raises IntegrityError for an unknown account."""
    totals = dict(_TOTALS.fetch(connection, {"account": account}))
    rows = [
        {
            "account": account,
            "asset": asset,
            "opened": None,
            "total": _EXACT.add(Decimal(totals.get(asset, 0)), change),
        }
        for asset, change in changes.items()
    ]
    _UPSERT_TOTAL.run(connection, *rows)
