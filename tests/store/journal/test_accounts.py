"""Accounts are restored to the last digit."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings, strategies
from sqlalchemy.exc import IntegrityError, StatementError

from backend.ports.journal import Batch
from backend.ports.order_tracking import OrderTracking
from backend.store import Database, Journal
from tests.store.journal.samples import ACCOUNT, OTHER, order, trade

LONG = Decimal("123456789012345678901234567890.123456789012345678")
TINY = Decimal("0.000000000000000001")
AMOUNTS = strategies.decimals(
    min_value=-(10**30), max_value=10**30, places=18, allow_nan=False, allow_infinity=False
) | strategies.decimals(allow_nan=False, allow_infinity=False, places=3)
reuse_the_database = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=50,
    deadline=None,
)


def test_a_new_account_begins_with_the_balances_that_are_given(journal: Journal) -> None:
    state = journal.open_account(ACCOUNT, {"USDT": Decimal(10000), "BTC": Decimal(0)})
    assert state.opened == {"USDT": Decimal(10000), "BTC": Decimal(0)}
    assert state.balances == state.opened
    assert state.baseline is None
    assert state.open_orders == []


def test_a_known_account_keeps_what_it_has(journal: Journal) -> None:
    journal.open_account(ACCOUNT, {"USDT": Decimal(10000)})
    journal.record(Batch(trades=[trade(1, {"USDT": Decimal("-60.5"), "BTC": Decimal("0.001")})]))
    state = journal.open_account(ACCOUNT, {"USDT": Decimal(5), "ETH": Decimal(7)})
    assert state.opened == {"USDT": Decimal(10000)}
    assert state.balances == {"USDT": Decimal("9939.5"), "BTC": Decimal("0.001")}


def test_accounts_do_not_mix(journal: Journal) -> None:
    journal.open_account(ACCOUNT, {"USDT": Decimal(1)})
    journal.open_account(OTHER, {"USDT": Decimal(2)})
    journal.set_baseline(OTHER, Decimal("2.5"))
    journal.record(Batch(orders=[order(1), order(2, account=OTHER)]))
    journal.record(Batch(trades=[trade(1, {"USDT": Decimal(10)}, account=OTHER)]))
    here, there = journal.open_account(ACCOUNT, {}), journal.open_account(OTHER, {})
    assert (here.balances, here.baseline) == ({"USDT": Decimal(1)}, None)
    assert (there.balances, there.baseline) == ({"USDT": Decimal(12)}, Decimal("2.5"))
    assert [stored.place for stored in here.open_orders] == [1]
    assert [stored.place for stored in there.open_orders] == [2]


def test_an_account_may_begin_with_nothing(journal: Journal) -> None:
    state = journal.open_account(ACCOUNT, {})
    assert (state.opened, state.balances) == ({}, {})


def test_open_orders_come_back_oldest_first_with_what_is_tracked_of_them(journal: Journal) -> None:
    tracking = OrderTracking(exchange_id="x", group="o0", exits=(order(7).order,))
    journal.open_account(ACCOUNT, {})
    journal.record(
        Batch(
            orders=[
                order(4, status="unknown"),
                order(1, status="open", tracking=tracking),
                order(2, status="filled"),
                order(3, status="partially_filled"),
                order(5, status="canceled"),
            ]
        )
    )
    state = journal.open_account(ACCOUNT, {})
    assert [stored.order.id for stored in state.open_orders] == ["o1", "o3", "o4"]
    assert state.open_orders[0] == order(1, tracking=tracking)


@given(amount=AMOUNTS)
@reuse_the_database
def test_an_amount_keeps_every_digit(journal: Journal, amount: Decimal) -> None:
    journal.open_account(ACCOUNT, {})
    journal.set_baseline(ACCOUNT, amount)
    assert journal.open_account(ACCOUNT, {}).baseline == amount


def test_sums_are_exact_beyond_the_digits_of_ordinary_arithmetic(journal: Journal) -> None:
    journal.open_account(ACCOUNT, {"SHIB": LONG})
    journal.record(
        Batch(
            trades=[trade(1, {"SHIB": TINY}), trade(2, {"SHIB": TINY})],
            balances={ACCOUNT: {"SHIB": -TINY}},
        )
    )
    balance = journal.open_account(ACCOUNT, {}).balances["SHIB"]
    assert str(balance) == "123456789012345678901234567890.123456789012345679"


@pytest.mark.parametrize("amount", [Decimal("NaN"), Decimal("Infinity")])
def test_what_is_no_amount_is_refused(journal: Journal, amount: Decimal) -> None:
    with pytest.raises(StatementError, match="must be finite"):
        journal.open_account(ACCOUNT, {"USDT": amount})
    assert journal.open_account(ACCOUNT, {}).opened == {}


def test_changes_of_an_account_that_was_never_opened_are_a_defect(
    journal: Journal, database: Database
) -> None:
    driver = database.engine.dialect.loaded_dbapi
    with pytest.raises((IntegrityError, driver.IntegrityError)):
        journal.record(Batch(trades=[trade(1, {"USDT": Decimal(1)})]))
    assert journal.find_trade("t1") is None
    journal.record(Batch(trades=[trade(1)]))
    assert journal.find_trade("t1") == trade(1)


def test_bot_state_is_kept_by_name_and_replaced_as_a_whole(journal: Journal) -> None:
    assert journal.bot_state("pause") == {}
    journal.record(Batch(bot_state={"pause": {"paused": True, "reason": "ü"}, "day": {"a": [1]}}))
    journal.record(Batch(bot_state={"pause": {"paused": False}}))
    assert journal.bot_state("pause") == {"paused": False}
    assert journal.bot_state("day") == {"a": [1]}
