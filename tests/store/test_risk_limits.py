"""Risk limits that override settings, and opening balances with their prices."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal

from sqlalchemy import insert

from backend.store import Database, opening_prices, risk
from backend.store.journal.models import AccountRow, BalanceRow
from backend.store.opening_prices import OpeningBalance

NOW = datetime(2026, 1, 20, 12, 0, tzinfo=timezone.utc)
D = Decimal


def test_limits_are_set_replaced_and_forgotten(database: Database) -> None:
    assert database.read(risk.get_limits) == {}
    first = database.write(
        risk.update_limits, {"max_order_value": '"5"', "max_open_orders": "3"}, NOW
    )
    assert first == {"max_order_value": '"5"', "max_open_orders": "3"}
    then = database.write(
        risk.update_limits, {"max_order_value": None, "max_open_orders": "4"}, NOW
    )
    assert then == {"max_open_orders": "4"}
    assert database.read(risk.get_limits) == then
    assert database.write(risk.update_limits, {"max_order_value": None}, NOW) == then


def test_an_opening_price_is_the_first_that_was_noted(database: Database) -> None:
    def open_account(session) -> None:
        session.execute(insert(AccountRow), [{"id": "a", "baseline": None, "created_at": NOW}])
        rows = [("BTC", D("1.5"), D(2)), ("DOGE", D(7), D(7)), ("ETH", None, D(1))]
        session.execute(
            insert(BalanceRow),
            [
                {"account": "a", "asset": asset, "opened": opened, "total": total}
                for asset, opened, total in rows
            ],
        )

    database.write(open_account)
    database.write(opening_prices.insert_or_ignore, "a", "USDT", {"BTC": D(20000)})
    database.write(opening_prices.insert_or_ignore, "a", "USDT", {"BTC": D(1), "ETH": D(1000)})
    database.write(opening_prices.insert_or_ignore, "a", "EUR", {"DOGE": D(2)})
    database.write(opening_prices.insert_or_ignore, "a", "EUR", {})
    assert database.read(opening_prices.list_balances, ["a", "b"], "USDT") == {
        OpeningBalance("a", "BTC", D("1.5"), D(20000)),
        OpeningBalance("a", "DOGE", D(7), None),
    }
    assert database.read(opening_prices.list_balances, ["b"], "USDT") == frozenset()
