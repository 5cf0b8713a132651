"""Committing what happened: orders, trades, balances, outcomes and events, each exactly once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow

from sqlalchemy import Connection, Executable, bindparam, delete, insert, select

from backend.schemas.common import utc_now
from backend.schemas.journal import Batch, StoredTrade
from backend.store.journal import intents
from backend.store.journal.models import BalanceRow, BatchRow, EventRow, OrderRow, TradeRow
from backend.store.journal.rows import event_values, order_values, trade_values
from backend.store.journal.upserts import Insert, for_each_database, unless_there

BATCHES_REMEMBERED = 1000
_EXACT = Context(prec=1000, traps=[Inexact, InvalidOperation, Overflow])


def _replace_order(insert_order: Insert) -> Executable:
    """Insert an order or renew its state; what it is filed under never changes."""
    new = insert_order.excluded
    return insert_order.on_conflict_do_update(
        index_elements=["id"],
        set_={"is_open": new.is_open, "body": new.body, "rebuild": new.rebuild},
    )


def _replace_total(insert_balance: Insert) -> Executable:
    return insert_balance.on_conflict_do_update(
        index_elements=["account", "asset"], set_={"total": insert_balance.excluded.total}
    )


_REMEMBER = unless_there(BatchRow)
_PUT_ORDER = for_each_database(OrderRow, _replace_order)
_ADD_TRADE = unless_there(TradeRow)
_TOTALS = select(BalanceRow.asset, BalanceRow.total).where(
    BalanceRow.account == bindparam("account")
)
_PUT_TOTAL = for_each_database(BalanceRow, _replace_total)
_ADD_EVENT = insert(EventRow)
_NEWEST_BATCH = select(BatchRow.number).order_by(BatchRow.number.desc()).limit(1)
_FORGET_BATCHES = delete(BatchRow).where(
    BatchRow.number <= _NEWEST_BATCH.scalar_subquery() - BATCHES_REMEMBERED
)


def commit(connection: Connection, batch: Batch) -> None:
    """Put a batch in, unless it is in already."""
    remember = _REMEMBER[connection.dialect.name]
    if not connection.execute(remember, [{"id": batch.id}]).rowcount:
        return
    if batch.orders:
        put_order = _PUT_ORDER[connection.dialect.name]
        connection.execute(put_order, [order_values(order) for order in batch.orders])
    new_trades = _add_trades(connection, batch.trades)
    changes = [*batch.balances.items(), *((trade.account, trade.changes) for trade in new_trades)]
    for account, sums in _summed(changes).items():
        _change_totals(connection, account, sums)
    intents.settle(connection, batch.accepted, "accepted")
    intents.settle(connection, batch.lost, "lost")
    if batch.events:
        now = utc_now()
        rows = [{**event_values(event), "recorded_at": now} for event in batch.events]
        connection.execute(_ADD_EVENT, rows)


def forget_some(connection: Connection) -> None:
    """Forget the ids of batches that nobody can be uncertain about any more."""
    connection.execute(_FORGET_BATCHES)


def _add_trades(connection: Connection, trades: Iterable[StoredTrade]) -> list[StoredTrade]:
    """Insert trades and return those that were not there."""
    statement = _ADD_TRADE[connection.dialect.name]
    return [
        trade for trade in trades if connection.execute(statement, [trade_values(trade)]).rowcount
    ]


def _summed(changes: Iterable[tuple[str, Mapping[str, Decimal]]]) -> dict[str, dict[str, Decimal]]:
    sums: dict[str, dict[str, Decimal]] = {}
    for account, amounts in changes:
        of_account = sums.setdefault(account, {})
        for asset, amount in amounts.items():
            of_account[asset] = _EXACT.add(of_account.get(asset, Decimal(0)), amount)
    return sums


def _change_totals(connection: Connection, account: str, changes: Mapping[str, Decimal]) -> None:
    """Add to the totals of an account; raises IntegrityError for one that was never opened."""
    found = connection.execute(_TOTALS, {"account": account})
    totals = {row.asset: row.total for row in found}
    rows = [
        {
            "account": account,
            "asset": asset,
            "total": _EXACT.add(totals.get(asset, Decimal(0)), change),
        }
        for asset, change in changes.items()
    ]
    if rows:
        connection.execute(_PUT_TOTAL[connection.dialect.name], rows)
