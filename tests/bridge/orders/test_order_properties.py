"""Whatever is asked, and in whatever order: stated errors only, and books that balance exactly."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from backend.errors import ApiError, BridgeError, OrderNotOpen
from tests.bridge.live_bridge import BTC, CROSS, ETH, FEE, PRICES, LiveBridge, new_order

pytestmark = pytest.mark.long

D = Decimal

calm = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

symbols = st.sampled_from([BTC, ETH, CROSS])
sides = st.sampled_from(["buy", "sell"])
absurd = st.one_of(
    st.sampled_from(
        ["0.00001", "0.0001", "1", "1e11", "999999999999", "40000", "0.05", "1e-18", "123456789.5"]
    ),
    st.decimals("1e-18", "1000000", places=18),
    st.decimals("0.01", "99999999999999999999", places=2),
)


@st.composite
def anything(draw: st.DrawFn) -> dict[str, Any]:
    """An order of the right shape, whose values may make no sense at all."""
    order_type = draw(st.sampled_from(["market", "limit", "stop_loss", "take_profit"]))
    fields = {
        "symbol": draw(st.one_of(symbols, st.sampled_from(["BTC/USDT:USDT", "A/B", "SOL/USDT"]))),
        "side": draw(sides),
        "type": order_type,
        "quantity": draw(st.one_of(st.sampled_from(["0.01", "1"]), absurd)),
        "exchange": draw(st.sampled_from([None, None, "sandbox", "kraken"])),
        "reduce_only": draw(st.sampled_from([False, False, False, True])),
        "tag": draw(st.sampled_from([None, "T_.:- 9"])),
    }
    name = {"limit": "price", "stop_loss": "stop_price", "take_profit": "stop_price"}
    if order_type in name:
        fields[name[order_type]] = draw(absurd)
    return fields


@calm
@given(st.lists(anything(), min_size=1, max_size=5))
def test_an_order_is_placed_or_refused_by_name_whatever_is_asked(
    bot: LiveBridge, wishes: list[dict[str, Any]]
) -> None:
    for fields in wishes:
        try:
            asked = new_order(**fields)
        except ValidationError:
            continue
        try:
            order = bot.bridge.orders.create(asked)
        except ApiError as error:
            assert error.status in (400, 422)
            continue
        assert order.status in ("open", "filled")
        assert order.quantity == asked.quantity
    bot.cancel_all()
    assert bot.locked() == {}
    assert all(amount.total >= 0 for amount in bot.balances().values())


@st.composite
def sensible(draw: st.DrawFn) -> dict[str, Any]:
    """An order near the market, often one that rests or waits."""
    symbol, side = draw(symbols), draw(sides)
    order_type = draw(st.sampled_from(["market", "limit", "limit", "stop_loss", "take_profit"]))
    step, tick = (D("0.00001"), D("0.01")) if symbol == BTC else (D("0.0001"), D("0.01"))
    tick = D("0.000001") if symbol == CROSS else tick
    quantity = (draw(st.decimals("0.02", "3", places=5)) / step).to_integral() * step
    away = draw(st.decimals("0.96", "1.04", places=4))
    price = (PRICES[symbol] * away / tick).to_integral() * tick
    fields: dict[str, Any] = {
        "symbol": symbol,
        "side": side,
        "type": order_type,
        "quantity": quantity,
    }
    if order_type == "limit":
        fields["price"] = price
    elif order_type != "market":
        fields["stop_price"] = price
    return fields


steps = st.one_of(
    st.tuples(st.just("place"), sensible()),
    st.tuples(st.just("place"), sensible()),
    st.tuples(st.just("cancel"), st.integers(0, 5)),
    st.tuples(st.just("pin"), st.tuples(symbols, st.decimals("0.97", "1.03", places=3))),
)


@settings(calm, max_examples=25)
@given(st.lists(steps, min_size=3, max_size=12))
def test_balances_are_the_start_plus_fills_minus_fees_after_any_sequence(
    bot: LiveBridge, sequence: list[tuple[str, Any]]
) -> None:
    bot.cancel_all()
    bot.pin_all()
    bot.settle()
    before, known = bot.totals(), {order["id"] for order in bot.orders(status="all", limit=500)}
    for what, value in sequence:
        if what == "place":
            try_to_place(bot, value)
        elif what == "cancel":
            cancel_one(bot, value)
        else:
            symbol, share = value
            bot.pin(symbol, PRICES[symbol] * share)
        bot.settle()
        assert_balanced(bot, before, known)


def try_to_place(bot: LiveBridge, fields: dict[str, Any]) -> None:
    try:
        bot.place(**fields)
    except BridgeError as error:
        assert error.status == 422


def cancel_one(bot: LiveBridge, index: int) -> None:
    orders = bot.orders(limit=500)
    if orders:
        try:
            bot.bridge.orders.cancel(orders[index % len(orders)]["id"])
        except OrderNotOpen:
            pytest.fail("nothing else ended it")


def assert_balanced(bot: LiveBridge, before: dict[str, Decimal], known: set[str]) -> None:
    expected, locked = defaultdict(D, before), defaultdict(D)
    for order in bot.orders(status="all", limit=500):
        if order["id"] in known:
            continue
        base, quote = order["symbol"].split("/")
        sign = 1 if order["side"] == "buy" else -1
        expected[base] += sign * D(order["filled"])
        expected[quote] -= sign * D(order["cost"])
        if order["fee"] is not None:
            amounts = {base: D(order["filled"]), quote: D(order["cost"])}
            assert D(order["fee"]["cost"]) == amounts[order["fee"]["currency"]] * FEE
            expected[order["fee"]["currency"]] -= D(order["fee"]["cost"])
        if order["status"] == "open" and order["type"] == "limit":
            price = D(order["price"]) if sign == 1 else 1
            locked[quote if sign == 1 else base] += D(order["quantity"]) * price
    assert bot.totals() == {asset: total for asset, total in expected.items() if total}
    assert bot.locked() == locked
