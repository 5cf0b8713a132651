"""Risk limits: refusals, changes, and the daily loss."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest

from backend.accounting.risk import Limits, OrderRisk, RiskLimits, check_order
from backend.errors import OrderRefused

D = Decimal
NOON = datetime(2026, 1, 20, 12, 0, tzinfo=timezone.utc)
MIDNIGHT = NOON + timedelta(hours=12)
MINE = ("sandbox:paper", "USDT")
ALL = Limits(D(1000), 3, frozenset({"BTC/USDT", "ETH/USDT"}), D(100))
FINE = OrderRisk("BTC/USDT", D(1000), 3)


def test_what_equals_its_limit_is_allowed() -> None:
    check_order(ALL, FINE, D("99.99"))


def test_without_limits_everything_is_allowed() -> None:
    check_order(Limits(), OrderRisk("DOGE/USDT", None, 10**9), D(10**9))


@pytest.mark.parametrize(
    ("order", "loss", "kind", "details"),
    [
        (
            OrderRisk("BTC/USDT", D("1000.01"), 3),
            D(0),
            "risk_max_order_value",
            "max_order_value is 1000, the order's value is 1000.01",
        ),
        (
            OrderRisk("BTC/USDT", None, 3),
            D(0),
            "risk_max_order_value",
            "max_order_value is 1000, the order's value is not known",
        ),
        (
            OrderRisk("BTC/USDT", D(1), 4),
            D(0),
            "risk_max_open_orders",
            "max_open_orders is 3, with this order 4 would be open",
        ),
        (
            OrderRisk("DOGE/USDT", D(1), 1),
            D(0),
            "risk_symbols",
            "symbols is BTC/USDT, ETH/USDT; DOGE/USDT is not among them",
        ),
        (
            FINE,
            D(100),
            "risk_max_daily_loss",
            "max_daily_loss is 100, the loss of this day is 100",
        ),
    ],
)
def test_a_refusal_names_the_limit_and_its_value(
    order: OrderRisk, loss: Decimal, kind: str, details: str
) -> None:
    with pytest.raises(OrderRefused) as refused:
        check_order(ALL, order, loss)
    assert (refused.value.status, refused.value.type) == (422, kind)
    assert refused.value.details == details


def test_every_broken_limit_is_named() -> None:
    risk = RiskLimits(ALL)
    risk.record_values(MINE, {"USDT": D(1000)}, NOON)
    risk.record_values(MINE, {"USDT": D(800)}, NOON)
    broken = risk.broken_limits(OrderRisk("DOGE/USDT", D(5000), 9))
    assert [error.type for error in broken] == [
        "risk_max_daily_loss",
        "risk_symbols",
        "risk_max_order_value",
        "risk_max_open_orders",
    ]


def test_a_limit_of_zero_open_orders_lets_only_those_pass_that_leave_none_open() -> None:
    limits = Limits(max_open_orders=0)
    check_order(limits, OrderRisk("BTC/USDT", None, 0), D(0))
    with pytest.raises(OrderRefused):
        check_order(limits, OrderRisk("BTC/USDT", None, 1), D(0))


def test_changed_limits_win_until_they_are_taken_back() -> None:
    risk = RiskLimits(ALL)
    risk.change({"max_order_value": D(5), "max_open_orders": 0})
    assert risk.current() == Limits(D(5), 0, ALL.symbols, D(100))
    assert risk.changed == {"max_order_value", "max_open_orders"}
    risk.change({})
    assert risk.current() == ALL
    assert risk.changed == frozenset()


def test_a_loss_counts_from_the_days_first_value() -> None:
    risk = RiskLimits(ALL)
    assert risk.day is None
    risk.record_values(MINE, {"USDT": D(1000)}, NOON)
    risk.record_values(MINE, {"USDT": D(1500)}, NOON)
    risk.record_values(MINE, {"USDT": D(901)}, NOON)
    assert (risk.day.opening_value, risk.day.value, risk.day.loss) == (D(1000), D(901), D(99))
    risk.check(FINE)
    assert not risk.loss_limit_reached
    risk.record_values(MINE, {"USDT": D(900)}, NOON)
    assert risk.loss_limit_reached
    with pytest.raises(OrderRefused, match="max_daily_loss"):
        risk.check(FINE)


def test_a_gain_is_no_loss() -> None:
    risk = RiskLimits(ALL)
    risk.record_values(MINE, {"USDT": D(1000)}, NOON)
    risk.record_values(MINE, {"USDT": D(2000)}, NOON)
    assert (risk.day.loss, risk.day.worst_loss) == (D(0), D(0))


def test_a_reached_limit_stays_reached_when_the_value_recovers() -> None:
    risk = RiskLimits(ALL)
    for value in ("1000", "850", "1200"):
        risk.record_values(MINE, {"USDT": D(value)}, NOON)
    assert risk.loss_limit_reached
    with pytest.raises(OrderRefused, match="the loss of this day is 150"):
        risk.check(FINE)


def test_resuming_counts_anew_from_there() -> None:
    risk = RiskLimits(ALL)
    risk.record_values(MINE, {"USDT": D(1000)}, NOON)
    risk.record_values(MINE, {"USDT": D(850)}, NOON)
    later = NOON + timedelta(hours=1)
    risk.resume(later)
    risk.check(FINE)
    assert (risk.day.counted_since, risk.day.opening_value) == (later, D(850))
    risk.record_values(MINE, {"USDT": D(750)}, later)
    assert risk.loss_limit_reached


def test_midnight_in_utc_begins_a_new_day() -> None:
    risk = RiskLimits(ALL)
    risk.record_values(MINE, {"USDT": D(1000)}, NOON)
    risk.record_values(MINE, {"USDT": D(850)}, MIDNIGHT - timedelta(microseconds=1))
    assert risk.loss_limit_reached
    # the same moment as midnight, on a clock two hours ahead
    risk.record_values(MINE, {"USDT": D(840)}, MIDNIGHT.astimezone(timezone(timedelta(hours=2))))
    assert not risk.loss_limit_reached
    assert (risk.day.opening_value, risk.day.loss) == (D(840), D(0))


def test_a_clock_that_goes_back_begins_no_day() -> None:
    risk = RiskLimits(ALL)
    risk.record_values(MINE, {"USDT": D(1000)}, MIDNIGHT)
    risk.record_values(MINE, {"USDT": D(850)}, MIDNIGHT - timedelta(seconds=1))
    assert risk.loss_limit_reached


def test_a_value_from_before_a_restart_may_open_the_day() -> None:
    risk = RiskLimits(ALL)
    risk.record_values(MINE, {"USDT": D(1000)}, NOON - timedelta(hours=3))
    risk.record_values(MINE, {"USDT": D(900)}, NOON)
    assert risk.loss_limit_reached
    assert risk.day.counted_since == NOON - timedelta(hours=3)


def test_values_of_other_accounts_are_not_compared() -> None:
    risk = RiskLimits(ALL)
    risk.record_values(("sandbox:paper", "EUR"), {"USDT": D(5000)}, NOON)
    risk.record_values(("other:paper", "USDT"), {"USDT": D(1000)}, NOON)
    risk.record_values(MINE, {"USDT": D(10)}, NOON)
    assert not risk.loss_limit_reached
    assert (risk.day.series, risk.day.opening_value) == (MINE, D(10))


def test_resuming_before_any_value_is_known_changes_nothing() -> None:
    risk = RiskLimits(ALL)
    risk.resume(NOON)
    assert risk.day is None


def test_raising_the_limit_lets_trading_go_on() -> None:
    risk = RiskLimits(ALL)
    risk.record_values(MINE, {"USDT": D(1000)}, NOON)
    risk.record_values(MINE, {"USDT": D(850)}, NOON)
    risk.change({"max_daily_loss": D(151)})
    risk.check(FINE)
    risk.change({"max_daily_loss": D(150)})
    assert risk.loss_limit_reached


def test_readers_see_whole_limits_while_they_change() -> None:
    risk = RiskLimits(Limits())
    pairs = [{"max_order_value": D(n), "max_open_orders": n} for n in (1, 2)]
    stop = threading.Event()
    torn: list[Limits] = []

    def read() -> None:
        while not stop.is_set():
            found = risk.current()
            if found.max_open_orders is not None and found.max_order_value != found.max_open_orders:
                torn.append(found)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(2000):
        risk.change(pairs[number % 2])
    stop.set()
    reader.join()
    assert torn == []


BOUGHT = {"USDT": D(600), "BTC": D(400)}


@pytest.fixture
def risk() -> RiskLimits:
    """The limit of a day's loss alone."""
    return RiskLimits(Limits(max_daily_loss=D(100)))


def test_the_loss_is_not_known_while_a_counted_asset_has_no_price(risk: RiskLimits) -> None:
    risk.record_values(MINE, BOUGHT, NOON)
    risk.record_values(MINE, {"USDT": D(600)}, NOON, unpriced=frozenset({"BTC"}))
    assert (risk.unpriced, risk.day and risk.day.value) == ({"BTC"}, D(1000))
    (refusal,) = risk.broken_limits(FINE)
    assert refusal.type == "risk_max_daily_loss"
    assert "no price of BTC" in str(refusal.details)
    risk.record_values(MINE, {**BOUGHT, "BTC": D(350)}, NOON)
    assert (risk.unpriced, risk.broken_limits(FINE)) == (frozenset(), [])
    risk.record_values(MINE, BOUGHT, NOON, pending=frozenset({"BTC"}))
    assert [error.type for error in risk.broken_limits(FINE)] == ["risk_max_daily_loss"]


def test_an_asset_that_had_no_price_hides_no_loss_when_it_gets_one(risk: RiskLimits) -> None:
    risk.record_values(MINE, BOUGHT, NOON, unpriced=frozenset({"JUNK"}))
    risk.record_values(MINE, {"USDT": D(600), "BTC": D(290), "JUNK": D(5000)}, NOON)
    assert risk.day is not None
    assert (risk.day.loss, risk.day.left_out) == (D(110), {"JUNK"})
    assert risk.loss_limit_reached


def test_an_asset_that_arrives_without_a_price_is_left_out(risk: RiskLimits) -> None:
    risk.record_values(MINE, BOUGHT, NOON)
    risk.record_values(MINE, BOUGHT, NOON, unpriced=frozenset({"GIFT"}))
    assert risk.unpriced == frozenset()
    risk.record_values(MINE, {**BOUGHT, "GIFT": D(1)}, NOON)
    assert risk.day is not None
    assert risk.day.value == D(1000)


def test_no_day_begins_with_a_price_that_may_still_come(risk: RiskLimits) -> None:
    risk.record_values(MINE, BOUGHT, NOON)
    pending = frozenset({"BTC"})
    risk.record_values(MINE, {"USDT": D(600)}, MIDNIGHT, unpriced=pending, pending=pending)
    assert risk.day is not None
    assert (risk.day.counted_since, risk.unpriced) == (NOON, pending)
    risk.record_values(MINE, BOUGHT, MIDNIGHT)
    assert (risk.day.counted_since, risk.unpriced) == (MIDNIGHT, frozenset())
