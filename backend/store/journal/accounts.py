"""Accounts: what they began with, what they hold, and the value that profit is counted from."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from sqlalchemy import Connection, insert, select, update

from backend.ports.journal import AccountState
from backend.schemas.common import utc_now
from backend.store.journal import queries as lists
from backend.store.journal.compiled import unless_there
from backend.store.journal.mapping import read_position
from backend.store.journal.models import AccountRow, BalanceRow, PositionRow

_ADD = unless_there(AccountRow)


def create(connection: Connection, account: str, balances: Mapping[str, Decimal]) -> None:
    """Create an account with these balances, unless it is there."""
    row = {"id": account, "baseline": None, "created_at": utc_now()}
    if not _ADD.run(connection, row):
        return
    rows = [
        {"account": account, "asset": asset, "opened": amount, "total": amount}
        for asset, amount in balances.items()
    ]
    if rows:
        connection.execute(insert(BalanceRow), rows)


def read(connection: Connection, account: str) -> AccountState:
    """Return what an account comes back with."""
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
        open_orders=lists.open_orders(connection, account),
        positions=[read_position(row) for row in connection.execute(positions)],
    )


def set_baseline(connection: Connection, account: str, baseline: Decimal) -> None:
    """Keep the value that profit is counted from."""
    connection.execute(update(AccountRow).where(AccountRow.id == account).values(baseline=baseline))
