"""Risk limits that were set, and what accounts began with."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal

from sqlalchemy import insert

from backend.store import Database, risk
from backend.store import opening_prices as openings
from backend.store.journal.models import AccountRow, BalanceRow
from backend.store.opening_prices import Held

NOW = datetime(2026, 1, 20, 12, 0, tzinfo=timezone.utc)
D = Decimal


def test_limits_are_set_replaced_and_forgotten(database: Database) -> None:
    assert database.read(risk.changed) == {}
    first = database.write(risk.change, {"max_order_value": '"5"', "max_open_orders": "3"}, NOW)
    assert first == {"max_order_value": '"5"', "max_open_orders": "3"}
    then = database.write(risk.change, {"max_order_value": None, "max_open_orders": "4"}, NOW)
    assert then == {"max_open_orders": "4"}
    assert database.read(risk.changed) == then
    assert database.write(risk.change, {"max_order_value": None}, NOW) == then


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
    database.write(openings.note_prices, "a", "USDT", {"BTC": D(20000)})
    database.write(openings.note_prices, "a", "USDT", {"BTC": D(1), "ETH": D(1000)})
    database.write(openings.note_prices, "a", "EUR", {"DOGE": D(2)})
    database.write(openings.note_prices, "a", "EUR", {})
    assert database.read(openings.of_accounts, ["a", "b"], "USDT") == {
        Held("a", "BTC", D("1.5"), D(20000)),
        Held("a", "DOGE", D(7), None),
    }
    assert database.read(openings.of_accounts, ["b"], "USDT") == frozenset()
