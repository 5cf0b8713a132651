"""Queries on accounts: opening balances, present balances, and the baseline of profit."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from sqlalchemy import Connection, insert, select, update

from backend.ports.journal import AccountState
from backend.schemas.common import utc_now
from backend.store.journal import queries
from backend.store.journal.compiled import insert_or_ignore
from backend.store.journal.mapping import read_position
from backend.store.journal.models import AccountRow, BalanceRow, PositionRow

_INSERT = insert_or_ignore(AccountRow)


def create_if_missing(
    connection: Connection, account: str, balances: Mapping[str, Decimal]
) -> None:
    """Create an account with these balances unless it exists."""
    row = {"id": account, "baseline": None, "created_at": utc_now()}
    if not _INSERT.run(connection, row):
        return
    rows = [
        {"account": account, "asset": asset, "opened": amount, "total": amount}
        for asset, amount in balances.items()
    ]
    if rows:
        connection.execute(insert(BalanceRow), rows)


def get(connection: Connection, account: str) -> AccountState:
    """Return an account's state for a restart."""
    found = connection.execute(
        select(BalanceRow.asset, BalanceRow.opened, BalanceRow.total)
        .where(BalanceRow.account == account)
        .order_by(BalanceRow.asset)
    ).all()
    positions = (
        select(PositionRow.__table__)
        .where(PositionRow.account == account)
        .order_by(PositionRow.symbol)
    )
    baseline = select(AccountRow.baseline).where(AccountRow.id == account)
    return AccountState(
        opened={row.asset: row.opened for row in found if row.opened is not None},
        balances={row.asset: row.total for row in found},
        baseline=connection.execute(baseline).scalar_one(),
        open_orders=queries.open_orders(connection, account),
        positions=[read_position(row) for row in connection.execute(positions)],
    )


def set_baseline(connection: Connection, account: str, baseline: Decimal) -> None:
    """Store the value from which profit is calculated."""
    connection.execute(update(AccountRow).where(AccountRow.id == account).values(baseline=baseline))
