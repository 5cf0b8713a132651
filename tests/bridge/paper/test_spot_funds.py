"""Nothing in a paper spot account is ever below zero, also what it never held."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import octobot_trading.errors as trading_errors
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.errors import ApiError, InsufficientFunds
from backend.schemas.order_commands import OrderBatch
from backend.store.journal import Journal
from tests.bridge.live_bridge import BTC, CROSS, ETH, Amount, LiveBridge, make_settings, new_order
from tests.bridge.strategy_orders import edit_as_strategy, place_as_strategy
from tests.waiting import shutting_down, wait_until

D = Decimal
ADA = "ADA/USDT"
START = {"USDT": D(10_000), "BTC": D(1)}
AT_START = {asset: Amount(amount, amount) for asset, amount in START.items()}
PRICES = {BTC: D(40_000), ETH: D(2_000), CROSS: D("0.05"), ADA: D("0.4")}
INSUFFICIENT = trading_errors.PortfolioNegativeValueError


def few_assets(home: Path, **overrides: Any) -> LiveBridge:
    """A bot whose account holds two of the assets that it may trade."""
    return LiveBridge(make_settings(home, symbols=tuple(PRICES), paper_balance=START, **overrides))


def boot(live: LiveBridge) -> LiveBridge:
    live.boot()
    for symbol, price in PRICES.items():
        live.pin(symbol, price)
    return live


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveBridge]:
    with shutting_down(few_assets(tmp_path / "home")) as live:
        yield boot(live)


@pytest.mark.parametrize(
    "fields",
    [
        {"symbol": ETH, "quantity": "0.1"},
        {"symbol": ADA, "quantity": "100000"},
        {"symbol": ETH, "quantity": "0.1", "type": "limit", "price": "2100"},
        {"symbol": ETH, "quantity": "0.1", "type": "limit", "price": "1900"},
        {"symbol": CROSS, "quantity": "0.1"},
        {"symbol": ETH, "quantity": "0.1", "take_profit": {"price": "1900"}},
        {"symbol": ETH, "quantity": "0.1", "stop_loss": {"stop_price": "2100"}},
    ],
)
def test_what_the_account_never_held_cannot_be_sold(
    live: LiveBridge, fields: dict[str, Any]
) -> None:
    with pytest.raises(InsufficientFunds, match=f"not enough {fields['symbol'].split('/')[0]} "):
        live.place(side="sell", **fields)
    assert live.balances() == AT_START
    assert live.orders(status="all") == []


def test_each_order_of_a_batch_needs_its_funds(live: LiveBridge) -> None:
    sale = new_order(symbol=ETH, side="sell", quantity="0.1")
    results = live.bridge.orders.create_many(OrderBatch(orders=[sale, new_order(), sale]))
    problems = [result.problem and result.problem.type for result in results]
    assert problems == ["insufficient_funds", None, "insufficient_funds"]
    assert "ETH" not in live.balances()


@pytest.mark.parametrize("type_", ["stop_loss", "stop_limit", "trailing_stop"])
def test_a_stop_that_the_account_cannot_fill_is_rejected_when_it_triggers(
    live: LiveBridge, type_: str
) -> None:
    limit = {"price": "1890"} if type_ == "stop_limit" else {}
    order = live.place(
        symbol=ETH, side="sell", type=type_, stop_price="1900", quantity="0.1", **limit
    )
    live.steer(ETH, 1_880)
    assert live.settled(order.id, "rejected").filled == 0
    assert live.balances() == AT_START


def test_two_stops_that_trigger_together_do_not_spend_the_same_funds(live: LiveBridge) -> None:
    stops = [
        live.place(side="sell", type="stop_loss", stop_price="39000", quantity="0.7")
        for _ in range(2)
    ]
    live.steer(BTC, 38_000)
    ended = [live.bridge.orders.get(stop.id) for stop in stops]
    assert wait_until(
        lambda: (
            (ended := [live.bridge.orders.get(stop.id).status for stop in stops])
            and "open" not in ended
        )
    )
    ended = [live.bridge.orders.get(stop.id) for stop in stops]
    assert sorted(order.status for order in ended) == ["filled", "rejected"]
    live.settle()
    assert live.totals()["BTC"] == D("0.3")


@pytest.mark.parametrize("kind", ["SELL_MARKET", "SELL_LIMIT"])
def test_a_strategy_cannot_sell_what_the_account_never_held(live: LiveBridge, kind: str) -> None:
    with pytest.raises(INSUFFICIENT):
        place_as_strategy(kind, symbol=ETH, current_price=D(2_000), price=D(2_100))
    live.settle()
    assert live.balances() == AT_START


def test_a_strategys_edit_beyond_the_funds_changes_nothing(live: LiveBridge) -> None:
    order = place_as_strategy("BUY_LIMIT", symbol=BTC, current_price=D(40_000), price=D(30_000))
    assert wait_until(lambda: live.locked() == {"USDT": 300})
    with pytest.raises(trading_errors.OrderEditError):
        edit_as_strategy(order, edited_quantity=D(1))
    assert order.origin_quantity == D("0.01")
    edit_as_strategy(order, edited_quantity=D("0.2"))
    live.settle()
    assert live.balances()["USDT"] == Amount(D(10_000), D(4_000))


def test_what_is_bought_can_be_sold_to_the_last_digit(live: LiveBridge) -> None:
    live.place(symbol=ETH, quantity="1")
    held = live.totals()["ETH"]
    assert held == D("0.999")
    with pytest.raises(InsufficientFunds):
        live.place(symbol=ETH, side="sell", quantity="0.9991")
    live.place(symbol=ETH, side="sell", quantity="0.999")
    live.settle()
    assert "ETH" not in live.totals()


def test_a_debt_of_an_earlier_version_is_kept_told_and_can_be_bought_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    live = few_assets(tmp_path / "home")
    Journal(live.database).open_account("sandbox:paper", {**START, "ADA": D(-100_000)})
    with shutting_down(live):
        boot(live)
        live.settle()
        assert live.totals()["ADA"] == -100_000
        told = (
            "sandbox: the balance of ADA is below zero (-100000): orders that need it are refused"
        )
        assert caplog.messages.count(told) == 1
        assert live.bridge.bot.status().warnings == [told]
        with pytest.raises(InsufficientFunds):
            live.place(symbol=ADA, side="sell", quantity="100")
        live.place(symbol=ADA, quantity="1000")
        live.settle()
        assert live.totals()["ADA"] == D(-99_001)


steps = st.lists(
    st.fixed_dictionaries(
        {
            "symbol": st.sampled_from(list(PRICES)),
            "side": st.sampled_from(["buy", "sell"]),
            "type": st.sampled_from(["market", "limit", "stop_loss", "take_profit"]),
            "share": st.sampled_from(["0.1", "0.5", "0.9", "1", "1.1", "3"]),
            "away": st.sampled_from(["0.97", "0.99", "1", "1.01", "1.03"]),
            "moves_to": st.sampled_from([None, "0.96", "1", "1.04"]),
        }
    ),
    min_size=2,
    max_size=10,
)


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[LiveBridge]:
    with shutting_down(few_assets(tmp_path / "shared")) as live:
        yield boot(live)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps)
def test_nothing_is_ever_below_zero_whatever_is_ordered(
    shared: LiveBridge, sequence: list[dict[str, Any]]
) -> None:
    for step in sequence:
        try_order(shared, **step)
        assert_never_negative(shared)
        if step["moves_to"] is not None:
            symbol = step["symbol"]
            shared.pin(symbol, (PRICES[symbol] * D(step["moves_to"])).quantize(D("0.0001")))
            assert_never_negative(shared)
    shared.cancel_all()
    shared.settle()
    assert_never_negative(shared)
    assert shared.locked() == {}


def try_order(
    live: LiveBridge, *, symbol: str, side: str, type: str, share: str, away: str, **_: Any
) -> None:
    """Order about this share of what the account holds, at a price this far from the usual."""
    digits = {BTC: (5, 2), ETH: (4, 2), CROSS: (4, 6), ADA: (1, 4)}[symbol]
    step, tick = (D(1).scaleb(-count) for count in digits)
    base, quote = symbol.split("/")
    totals = live.totals()
    held = totals.get(base, D(1)) if side == "sell" else totals.get(quote, D(100)) / PRICES[symbol]
    price = (PRICES[symbol] * D(away)).quantize(tick)
    fields = {"limit": {"price": price}, "market": {}}.get(type, {"stop_price": price})
    try:
        live.place(
            symbol=symbol,
            side=side,
            type=type,
            quantity=max((held * D(share)).quantize(step), step),
            **fields,
        )
    except ApiError as error:
        assert error.status == 422, error


def assert_never_negative(live: LiveBridge) -> None:
    below = {
        asset: amount
        for asset, amount in live.balances().items()
        if amount.total < 0 or amount.available < 0
    }
    assert below == {}
