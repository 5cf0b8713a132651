"""Homes with a long history in the journal, written directly to the database."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from backend.accounting.balances import balance_changes
from backend.concurrency.host import ThreadHost
from backend.ports.journal import Batch, StoredOrder, StoredTrade
from backend.schemas.orders import Order
from backend.schemas.trades import Trade
from backend.settings.loading import load_settings
from backend.store import Database, Journal
from benchmarks.journal import ACCOUNT, NOW, ORDER, TRADE

WEALTH = {"USDT": Decimal(100_000_000), "BTC": Decimal(1_000), "ETH": Decimal(10_000)}
PAPER_BALANCE = ",".join(f"{asset}={amount}" for asset, amount in WEALTH.items())
_AT_ONCE = 1000


def write_history(home: Path, count: int) -> None:
    """Write `count` filled orders into the paper account of an empty home."""
    settings = load_settings(home=home / "instance", database_url=None)
    settings.home.mkdir(parents=True)
    with closing(Database(settings, ThreadHost())) as database:
        database.upgrade()
        with closing(Journal(database)) as journal:
            journal.open_account(ACCOUNT, WEALTH)
            for first in range(1, count + 1, _AT_ONCE):
                numbers = range(first, min(first + _AT_ONCE, count + 1))
                filled = [_filled(number, count) for number in numbers]
                journal.record(
                    Batch(
                        orders=[StoredOrder(at, ACCOUNT, order, {}) for at, order, _ in filled],
                        trades=[
                            StoredTrade(at, ACCOUNT, trade, balance_changes(trade))
                            for at, _, trade in filled
                        ],
                    )
                )


def _filled(number: int, count: int) -> tuple[int, Order, Trade]:
    """Yield buys and sells in turns, a minute apart, the last one a minute ago."""
    at = NOW - timedelta(minutes=count - number + 1)
    side = "buy" if number % 2 else "sell"
    order = ORDER.model_copy(
        update={
            "id": f"o{number}",
            "side": side,
            "status": "filled",
            "filled": ORDER.quantity,
            "remaining": Decimal(0),
            "created_at": at,
            "updated_at": at,
        }
    )
    trade = TRADE.model_copy(
        update={"id": f"t{number}", "order_id": order.id, "side": side, "executed_at": at}
    )
    return number, order, trade
