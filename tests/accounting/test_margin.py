"""Contract positions and margin accounts, against hand-calculated figures."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.accounting.contract_position import ContractPosition
from backend.accounting.margin import MarginAccount, OrderExposure

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
NOW = datetime(2026, 1, 20, tzinfo=timezone.utc)


def D(text: str) -> Decimal:
    return Decimal(text)


def fill(account: MarginAccount, quantity: str, price: str, symbol: str = BTC) -> None:
    """Fill at a price, with a fee of a thousandth."""
    cost = abs(D(quantity)) * D(price)
    steps = account.position(symbol).apply_fill(D(quantity), cost, cost / 1000, NOW)
    account.apply(symbol, steps)


def account_at(leverage: str, mode: str = "isolated", wallet: str = "10000") -> MarginAccount:
    settings = ContractPosition(leverage=D(leverage), margin_mode=mode)  # type: ignore[arg-type]
    return MarginAccount(D(wallet), {BTC: settings, ETH: settings})


def test_a_long_position_holds_its_margin_and_gains_when_the_price_rises() -> None:
    account = account_at("10")

    fill(account, "0.5", "40000")  # 20000 of notional, fee 20, margin 2000

    position = account.position(BTC)
    assert (position.side, position.entry_price, position.margin) == ("long", D("40000"), D("2000"))
    assert account.wallet == D("9980")
    assert account.available({BTC: D("40000")}) == D("7980")
    assert account.equity({BTC: D("41000")}) == D("10480")
    assert account.available({BTC: D("41000")}) == D("7980")  # isolated gains buy nothing

    fill(account, "-0.5", "42000")  # gains 1000, fee 21

    assert account.position(BTC).quantity == 0
    assert account.position(BTC).realized == D("959")  # 1000 - 20 - 21
    assert account.wallet == account.available({}) == D("10959")


def test_a_short_position_gains_when_the_price_falls_and_averages_its_entries() -> None:
    account = account_at("5")

    fill(account, "-1", "40000")  # fee 40
    fill(account, "-1", "41000")  # fee 41

    position = account.position(BTC)
    assert (position.side, position.quantity, position.entry_price) == (
        "short",
        D("-2"),
        D("40500"),
    )
    assert position.margin == D("16200")
    assert account.wallet == D("9919")

    fill(account, "0.5", "39500")  # gains 0.5 * 1000 = 500, fee 19.75

    position = account.position(BTC)
    assert (position.quantity, position.entry_price) == (D("-1.5"), D("40500"))
    assert position.realized == D("399.25")  # 500 - 40 - 41 - 19.75
    assert account.wallet == D("10399.25")


def test_a_fill_beyond_the_position_closes_it_and_opens_the_other_side() -> None:
    account = account_at("10")
    fill(account, "0.1", "40000")  # fee 4

    steps = account.position(BTC).apply_fill(D("-0.3"), D("12300"), D("12.3"), NOW)  # at 41000
    account.apply(BTC, steps)

    closed, opened = (step.position for step in steps)
    assert (closed.quantity, closed.realized) == (0, D("91.9"))  # 100 - 4 - 4.1
    assert (opened.quantity, opened.entry_price) == (D("-0.2"), D("41000"))
    assert opened.realized == D("-8.2")
    assert account.wallet == D("10083.7")


def test_an_isolated_position_is_liquidated_where_its_margin_is_down_to_its_maintenance() -> None:
    account = account_at("10")
    fill(account, "0.5", "40000")

    # entry * (1 - 1/10 + 1/100)
    assert account.liquidation_price(BTC, {}) == D("36400")
    assert not account.is_liquidated(BTC, {BTC: D("36400.01")})
    assert account.is_liquidated(BTC, {BTC: D("36400")})
    # it is taken over where the margin of 2000 is gone: at 36000 each
    assert account.liquidation_cost(BTC, {BTC: D("36400")}) == D("18000")


def test_a_short_isolated_position_is_liquidated_above_its_entry() -> None:
    account = account_at("10")
    fill(account, "-0.5", "40000")

    assert account.liquidation_price(BTC, {}) == D("43600")
    assert account.is_liquidated(BTC, {BTC: D("43600")})
    assert account.liquidation_cost(BTC, {BTC: D("50000")}) == D("22000")


def test_cross_positions_share_the_wallet() -> None:
    account = account_at("10", "cross", wallet="3000")
    fill(account, "0.5", "40000")  # fee 20, maintenance 200: wallet 2980
    # 0.5 * (40000 - p) = 2980 - 200
    assert account.liquidation_price(BTC, {}) == D("34440")

    fill(account, "-1", "2000", ETH)  # fee 2, maintenance 20: wallet 2978

    # the ETH position loses 500: 0.5 * (40000 - p) = 2978 - 200 - 500 - 20
    assert account.liquidation_price(BTC, {ETH: D("2500")}) == D("35484")
    assert account.available({BTC: D("40000"), ETH: D("2500")}) == D("278")  # less 2000 and 200
    assert account.is_liquidated(BTC, {BTC: D("35484"), ETH: D("2500")})
    assert account.is_liquidated(ETH, {BTC: D("35484"), ETH: D("2500")})


def test_a_cross_position_loses_at_most_the_wallet() -> None:
    account = account_at("10", "cross", wallet="3000")
    fill(account, "0.5", "40000")

    cost = account.liquidation_cost(BTC, {BTC: D("30000")})  # a gap far beyond the wallet
    account.apply(BTC, account.position(BTC).apply_fill(D("-0.5"), cost, D("0"), NOW))

    assert account.wallet == 0


def test_a_cross_position_that_its_wallet_carries_to_nothing_is_never_liquidated() -> None:
    account = account_at("1", "cross", wallet="100000")
    fill(account, "1", "40000")

    assert account.liquidation_price(BTC, {}) is None


def test_an_order_holds_margin_and_fee_and_another_leverage_changes_that() -> None:
    account = account_at("10")
    account.order_exposures["order"] = OrderExposure(BTC, D("20000"), D("20"))

    assert account.available({}) == D("7980")
    assert account.with_settings(BTC, D("4"), None).available({}) == D("4980")
    assert account.available({}) == D("7980")


def test_leverage_changes_margin_and_liquidation_price_of_what_is_open() -> None:
    account = account_at("10")
    fill(account, "0.5", "40000")

    changed = account.with_settings(BTC, D("20"), None)

    assert changed.position(BTC).margin == D("1000")
    assert changed.liquidation_price(BTC, {}) == D("38400")
    assert changed.available({}) == D("8980")


@pytest.mark.parametrize(
    ("quantity", "rate", "change"), [("0.5", "0.0001", "-2"), ("-0.5", "0.0001", "2")]
)
def test_long_positions_pay_a_positive_funding_rate(quantity: str, rate: str, change: str) -> None:
    position = ContractPosition(quantity=D(quantity), cost=D("20000"))

    step = position.apply_funding(D("40000"), D(rate), NOW)

    assert step.wallet_change == D(change)
    assert step.position == replace(position, realized=D(change), funded_at=NOW)


FILLS = st.lists(
    st.tuples(
        st.integers(1, 10**6).map(lambda n: Decimal(n) / 10**5),
        st.integers(1, 10**7).map(lambda n: Decimal(n) / 100),
        st.sampled_from([1, -1]),
    ),
    max_size=30,
)


@given(fills=FILLS, last=st.integers(1, 10**7).map(lambda n: Decimal(n) / 100))
def test_equity_is_the_deposit_and_what_the_fills_came_to(
    fills: list[tuple[Decimal, Decimal, int]], last: Decimal
) -> None:
    """Whatever the sequence of fills: wallet + unrealised = start + Σ cash flows - Σ fees."""
    account = MarginAccount(D("1000"))
    flows = holding = fees = Decimal(0)
    realized = Decimal(0)
    for quantity, price, sign in fills:
        cost = quantity * price
        steps = account.position(BTC).apply_fill(sign * quantity, cost, cost / 1000, NOW)
        account.apply(BTC, steps)
        realized += sum((step.wallet_change for step in steps), Decimal(0))
        flows -= sign * cost
        holding += sign * quantity
        fees += cost / 1000
        assert account.position(BTC).quantity == holding
        assert account.position(BTC).cost >= 0
    assert account.wallet == 1000 + realized
    assert account.equity({BTC: last}) == 1000 + flows + holding * last - fees
