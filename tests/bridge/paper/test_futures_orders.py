"""Orders of a futures account: exits, changes, previews, keys, a pause, risk limits."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from backend.errors import (
    DuplicateOrder,
    InsufficientFunds,
    PositionClosing,
    PositionNotOpen,
    RiskMaxOrderValue,
    TradingPaused,
)
from backend.schemas.order_commands import OrderChange
from backend.schemas.orders import Order
from tests.bridge.futures_trader import BTC, Trader
from tests.bridge.live_bridge import new_order, run_concurrently, wait_until


def test_of_closes_at_once_exactly_one_closes_and_none_turns_around(trader: Trader) -> None:
    trader.trade("buy", "0.5")

    outcomes = run_concurrently([trader.close] * 8)

    orders = [outcome for outcome in outcomes if isinstance(outcome, Order)]
    assert len(orders) == 1
    refused = [outcome for outcome in outcomes if not isinstance(outcome, Order)]
    assert all(isinstance(error, PositionClosing | PositionNotOpen) for error in refused), refused
    assert trader.positions() == []


def test_a_close_that_is_sent_again_is_answered_again(trader: Trader) -> None:
    trader.trade("buy", "0.5")

    first = trader.close(key="k1", quantity="0.2")

    assert trader.close(key="k1", quantity="0.2") == first
    assert trader.position().quantity == D("0.3")
    with pytest.raises(DuplicateOrder):
        trader.close(key="k1", quantity="0.3")
    assert trader.close(client_order_id="c1").client_order_id == "c1"
    assert trader.close(client_order_id="c1").quantity == D("0.3")
    assert trader.positions() == []


def test_twins_of_one_close_get_one_answer(trader: Trader) -> None:
    trader.trade("buy", "0.5")

    outcomes = run_concurrently([lambda: trader.close(key="twin", quantity="0.1")] * 6)

    assert len({order.id for order in outcomes}) == 1
    assert trader.position().quantity == D("0.4")


def test_a_limit_close_rests_and_a_second_one_for_the_same_is_refused(trader: Trader) -> None:
    trader.trade("buy", "0.5")

    order = trader.close(type="limit", price="41000")

    assert (order.status, order.side, order.reduce_only) == ("open", "sell", True)
    with pytest.raises(PositionClosing):
        trader.close(type="limit", price="42000")
    trader.pin(BTC, 41000)
    trader.settled(order.id)
    assert trader.positions() == []


def test_closing_at_the_market_cancels_what_rests_to_close(trader: Trader) -> None:
    trader.trade("sell", "0.5")
    resting = trader.close(type="limit", price="39000")
    before = trader.available

    trader.close()

    trader.settled(resting.id, "canceled")
    trader.settle()
    assert trader.available == before + 2000 - 20  # the margin comes back, less the fee
    trader.pin(BTC, 38900)
    assert trader.positions() == []


def test_exits_of_an_entry_close_it_and_never_open_the_other_side(trader: Trader) -> None:
    exits = {"take_profit": {"price": "41000"}, "stop_loss": {"stop_price": "39000"}}
    entry = trader.trade("buy", "0.1", **exits)
    assert wait_until(lambda: len(trader.orders()) == 2)
    placed = {order["type"]: order for order in trader.orders()}
    assert {order["parent_order_id"] for order in placed.values()} == {entry.id}
    assert {(order["quantity"], order["reduce_only"]) for order in placed.values()} == {
        ("0.1", True)
    }

    trader.pin(BTC, 38900)

    trader.settled(placed["stop_loss"]["id"])
    trader.settled(placed["limit"]["id"], "canceled")
    assert trader.positions() == []


def test_a_stop_opens_a_position_only_if_the_margin_is_there(trader: Trader) -> None:
    stop = trader.trade("buy", "20", type="stop_loss", stop_price="40500")
    trader.trade("buy", "10")  # margin 40000: another 20 take more than is left

    trader.pin(BTC, 40600)

    trader.settled(stop.id, "rejected")
    assert trader.position().quantity == D("10")


def test_an_open_order_takes_other_margin_when_it_is_changed(trader: Trader) -> None:
    before = trader.available
    order = trader.trade("buy", "0.5", type="limit", price="36000")

    trader.bridge.orders.change(order.id, OrderChange(quantity="1", price="38000"))

    assert wait_until(lambda: trader.available == before - 3800 - 38)
    with pytest.raises(InsufficientFunds):
        trader.bridge.orders.change(order.id, OrderChange(quantity="100"))
    assert trader.bridge.orders.get(order.id).quantity == D(1)
    assert trader.available == before - 3800 - 38


def test_a_preview_tells_margin_and_fee_and_what_a_close_gives_back(trader: Trader) -> None:
    before = trader.available
    preview = trader.bridge.orders.preview(new_order(symbol=BTC, quantity="0.5"))
    (row,) = preview.funds
    assert preview.accepted
    assert (row.asset, row.available) == ("USDT", before)
    assert row.after_placing == row.after_filling == before - 2000 - 20
    assert preview.fee is not None
    assert (preview.cost, preview.fee.cost) == (D(20000), D(20))

    trader.trade("buy", "0.5")
    preview = trader.bridge.orders.preview(
        new_order(symbol=BTC, side="sell", quantity="0.5", reduce_only=True)
    )
    assert preview.accepted
    assert preview.funds[0].after_filling == before - 20 - 20

    too_much = new_order(symbol=BTC, side="sell", quantity="60")
    refused = trader.bridge.orders.preview(too_much)
    assert [refusal.type for refusal in refused.refusals] == ["insufficient_funds"]


def test_a_paused_bot_opens_nothing_and_still_closes(trader: Trader) -> None:
    trader.trade("buy", "0.1")
    trader.bridge.bot.pause()
    try:
        with pytest.raises(TradingPaused):
            trader.trade("buy", "0.1")
        assert trader.close().status == "filled"
    finally:
        trader.bridge.bot.resume()
    assert trader.positions() == []


def test_a_risk_limit_keeps_from_opening_and_not_from_closing(trader: Trader) -> None:
    trader.trade("buy", "0.5")
    trader.bridge.risk.change({"max_order_value": D(10000)})
    try:
        with pytest.raises(RiskMaxOrderValue):
            trader.trade("buy", "0.3")
        assert trader.close().cost == D(20000)
    finally:
        trader.bridge.risk.change({})
