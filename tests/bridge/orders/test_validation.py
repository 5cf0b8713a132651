from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from backend import errors
from tests.bridge.live_bridge import BTC, LiveBridge, new_order, run_concurrently

D = Decimal


@pytest.mark.parametrize(
    ("fields", "error", "details"),
    [
        (
            {"quantity": "0.000001"},
            errors.QuantityBelowMinimum,
            "quantity: 0.000001 BTC is below the minimum 0.00001",
        ),
        (
            {"quantity": "2000.00001"},
            errors.QuantityAboveMaximum,
            "quantity: 2000.00001 BTC is above the maximum 2000",
        ),
        (
            {"quantity": "123456789012.000000000000000001"},
            errors.QuantityAboveMaximum,
            "quantity: 123456789012.000000000000000001 BTC is above the maximum 2000",
        ),
        (
            {"quantity": "0.0100001"},
            errors.QuantityOffStep,
            "quantity: 0.0100001 is not a multiple of 0.00001 BTC",
        ),
        (
            {"type": "limit", "price": "39000.001"},
            errors.PriceOffTick,
            "price: 39000.001 is not a multiple of 0.01 USDT",
        ),
        (
            {"type": "limit", "price": "123456789012345678901234567.891"},
            errors.PriceOffTick,
            "price: 123456789012345678901234567.891 is not a multiple of 0.01 USDT",
        ),
        (
            {"type": "limit", "price": "0.001"},
            errors.PriceOutOfRange,
            "price: 0.001 is not between 0.01 and any USDT",
        ),
        (
            {"type": "stop_loss", "side": "sell", "stop_price": "39000.001"},
            errors.PriceOffTick,
            "stop_price: 39000.001 is not a multiple of 0.01 USDT",
        ),
        (
            {"quantity": "0.0001"},
            errors.CostBelowMinimum,
            "quantity: costs 4 USDT, the minimum is 5 USDT",
        ),
        (
            {"type": "limit", "price": "10", "quantity": "0.1"},
            errors.CostBelowMinimum,
            "quantity: costs 1 USDT, the minimum is 5 USDT",
        ),
        (
            {"quantity": "1999"},
            errors.InsufficientFunds,
            "not enough USDT available for this order",
        ),
        (
            {"type": "limit", "side": "sell", "price": "41000", "quantity": "1999"},
            errors.InsufficientFunds,
            "not enough BTC available for this order",
        ),
        (
            {"type": "limit", "price": "44000", "quantity": "1999"},
            errors.InsufficientFunds,
            "not enough USDT available for this order",
        ),
        (
            {"symbol": "BTC/USD"},
            errors.InvalidSymbol,
            "BTC/USD is not traded on sandbox",
        ),
        (
            {"symbol": "SOL/USDT"},  # the exchange lists it, the bot does not follow it
            errors.InvalidSymbol,
            "SOL/USDT is not traded on sandbox",
        ),
        (
            {"exchange": "kraken"},
            errors.InvalidExchange,
            "exchange: one of sandbox",
        ),
        (
            {"reduce_only": True},
            errors.ReduceOnlyNotSupported,
            "reduce_only: sandbox trades spot here",
        ),
        *(
            (
                {"type": order_type, "side": side, "stop_price": stop_price},
                errors.StopPriceReached,
                "stop_price: the price is 40000 already",
            )
            for order_type, side, stop_price in [
                ("stop_loss", "sell", "40000"),
                ("stop_loss", "sell", "40001"),
                ("stop_loss", "buy", "40000"),
                ("stop_loss", "buy", "39999"),
                ("take_profit", "sell", "40000"),
                ("take_profit", "sell", "39999"),
                ("take_profit", "buy", "40000"),
                ("take_profit", "buy", "40001"),
            ]
        ),
    ],
)
def test_an_order_that_breaks_a_rule_is_refused_by_name_and_changes_nothing(
    bot: LiveBridge, fields: dict[str, Any], error: type[errors.ApiError], details: str
) -> None:
    resting = bot.place(type="limit", price="39000")
    bot.settle()
    before, mark = bot.balances(), bot.mark()
    with pytest.raises(error) as refusal:
        bot.place(**fields)
    assert (type(refusal.value), refusal.value.details) == (error, details)
    bot.settle()
    assert bot.balances() == before
    assert [order["id"] for order in bot.orders()] == [resting.id]
    assert [order["id"] for order in bot.orders(status="all", limit=1)] == [resting.id]
    assert bot.sink.names(mark) == []


def test_all_of_an_asset_can_be_spent_and_not_a_step_more(bot: LiveBridge) -> None:
    price, step = D(40_000), D("0.00001")
    usdt = bot.balances()["USDT"].total
    quantity = (usdt / price).quantize(step, "ROUND_DOWN")
    before = bot.balances()
    for order_type, limit in (("market", None), ("limit", price)):
        with pytest.raises(errors.InsufficientFunds):
            bot.place(type=order_type, price=limit, quantity=quantity + step)
    assert bot.balances() == before
    assert bot.place(side="buy", quantity=quantity).status == "filled"
    assert 0 <= bot.totals().get("USDT", D(0)) < price * step
    bot.place(side="sell", quantity=(quantity / 2).quantize(step, "ROUND_DOWN"))


def test_all_of_an_asset_can_be_sold(bot: LiveBridge) -> None:
    held = bot.balances()["BTC"].total
    whole = held.quantize(D("0.00001"), "ROUND_DOWN")
    assert bot.place(side="sell", quantity=whole).status == "filled"
    assert bot.totals().get("BTC", D(0)) == held - whole
    bot.place(side="buy", quantity="5")
    assert bot.totals()["BTC"] == held - whole + 5 - D("0.005")


def test_funds_that_an_open_order_locks_cannot_be_spent_again(bot: LiveBridge) -> None:
    held = bot.balances()["BTC"].total
    most = held.quantize(D("0.00001"), "ROUND_DOWN") - D("0.1")
    bot.place(side="sell", type="limit", price="41000", quantity=most)
    with pytest.raises(errors.InsufficientFunds):
        bot.place(side="sell", quantity="0.10002")
    with pytest.raises(errors.InsufficientFunds):
        bot.place(side="sell", type="limit", price="42000", quantity="0.10002")
    assert bot.place(side="sell", quantity="0.1").status == "filled"
    assert bot.locked() == {"BTC": most}


def test_many_orders_at_once_never_spend_more_than_there_is(bot: LiveBridge) -> None:
    held = bot.balances()["BTC"].total
    quantity = (held / 5).quantize(D("0.00001"), "ROUND_DOWN")
    sell = new_order(side="sell", type="limit", price="41000", quantity=quantity)
    outcomes = run_concurrently([lambda: bot.bridge.orders.create(sell)] * 12)
    refused = [outcome for outcome in outcomes if isinstance(outcome, errors.InsufficientFunds)]
    placed = [outcome for outcome in outcomes if not isinstance(outcome, Exception)]
    assert (len(placed), len(refused)) == (5, 7)
    assert bot.locked() == {"BTC": 5 * quantity}
    assert len(bot.orders(symbol=BTC)) == 5
