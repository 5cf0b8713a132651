"""Exits of an entry: they come with its fill, and of two one cancels the other."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from backend.schemas.order_commands import CancelQuery, OrderChange
from backend.schemas.orders import Order
from tests.bridge.live_bridge import BTC, FEE, LiveBridge, wait_until

pytestmark = pytest.mark.long

D = Decimal


def bracket(bot: LiveBridge, profit: int, loss: int, **fields: Any) -> Order:
    exits = {"take_profit": {"price": str(profit)}, "stop_loss": {"stop_price": str(loss)}}
    return bot.place(quantity="0.1", **exits, **fields)


def exits_of(bot: LiveBridge, entry: Order, count: int = 2) -> dict[str, dict[str, Any]]:
    """Wait for the exits of an entry and return them by type."""

    def found() -> list[dict[str, Any]]:
        return [o for o in bot.orders(status="all") if o["parent_order_id"] == entry.id]

    assert wait_until(lambda: len(found()) == count), found()
    return {order["type"]: order for order in found()}


def statuses(exits: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {kind: order["status"] for kind, order in exits.items()}


def test_an_exit_that_the_market_had_passed_at_the_start_waits_for_its_price(
    bot: LiveBridge,
) -> None:
    before = bot.balances()
    entry = bracket(bot, 39_500, 38_000, type="limit", price="39000")
    bot.pin(BTC, 38_900)
    bot.settled(entry.id)
    exits = exits_of(bot, entry)
    assert statuses(exits) == {"limit": "open", "stop_loss": "open"}
    bot.settle()
    bot.pin(BTC, 39_600)
    profit = bot.settled(exits["limit"]["id"])
    assert profit.average_price == D("39500")
    bot.settle()
    assert statuses(exits_of(bot, entry)) == {"limit": "filled", "stop_loss": "canceled"}
    after, quantity = bot.balances(), profit.quantity
    assert bot.locked() == {}
    assert after["BTC"].total == before["BTC"].total + D("0.1") * (1 - FEE) - quantity
    assert after["USDT"].total == before["USDT"].total - 3900 + quantity * 39_500 * (1 - FEE)


def test_prices_from_before_its_entrys_fill_do_not_fill_an_exit(bot: LiveBridge) -> None:
    """OctoBot takes the mean of trades that come together for a price of this instant."""
    for _ in range(8):
        entry = bracket(bot, 39_500, 38_000, type="limit", price="39000")
        for price in (50_000, 38_900):
            bot.steer(BTC, price)
        bot.settled(entry.id)
        exits_of(bot, entry)
        bot.settle()
        assert statuses(exits_of(bot, entry)) == {"limit": "open", "stop_loss": "open"}
        bot.cancel_all()
        bot.pin(BTC, 40_000)


def test_both_exits_are_entered_as_ended_when_one_fills(bot: LiveBridge) -> None:
    entry = bracket(bot, 41_000, 39_000)
    exits = exits_of(bot, entry)
    mark = bot.mark()
    bot.pin(BTC, 38_500)
    bot.settled(exits["stop_loss"]["id"])
    bot.settle()
    assert statuses(exits_of(bot, entry)) == {"limit": "canceled", "stop_loss": "filled"}
    assert bot.sink.names(mark, "orders", "trades") == ["order_canceled", "order_filled", "trade"]
    assert bot.locked() == {}


def test_canceling_one_exit_cancels_the_other(bot: LiveBridge) -> None:
    exits = exits_of(bot, bracket(bot, 41_000, 39_000))
    assert bot.bridge.orders.cancel(exits["limit"]["id"]).status == "canceled"
    bot.settled(exits["stop_loss"]["id"], "canceled")
    bot.settle()
    assert bot.locked() == {}


def test_exits_follow_a_change_of_their_entrys_quantity(bot: LiveBridge) -> None:
    entry = bracket(bot, 41_000, 38_000, type="limit", price="39000")
    bot.bridge.orders.change(entry.id, OrderChange(quantity="0.05"))
    bot.pin(BTC, 38_900)
    bot.settled(entry.id)
    quantities = {D(order["quantity"]) for order in exits_of(bot, entry).values()}
    assert quantities == {D("0.05") * (1 - FEE)}


def test_a_canceled_entry_brings_no_exits(bot: LiveBridge) -> None:
    entry = bracket(bot, 41_000, 38_000, type="limit", price="39000")
    assert bot.bridge.orders.cancel(entry.id).status == "canceled"
    bot.pin(BTC, 38_900)
    bot.settle()
    assert [o for o in bot.orders(status="all") if o["parent_order_id"] == entry.id] == []


def test_exits_of_an_entry_that_fills_in_a_restart_are_placed(bot: LiveBridge) -> None:
    """Each round the bot is stopped at another moment around the fill."""
    for round_ in range(6):
        bot.pin(BTC, 40_000)
        entry = bracket(bot, 41_000, 38_000, type="limit", price="39000")
        bot.steer(BTC, 38_900)
        wait_until(lambda: bot.price(BTC) == 38_900, 0.04 * round_)
        bot.bridge.bot.restart()
        bot.ready()
        bot.settled(entry.id)
        assert statuses(exits_of(bot, entry)) == {"limit": "open", "stop_loss": "open"}
        bot.settle()
        bot.cancel_all()
        assert bot.settle().locked() == {}


def test_cancel_all_cancels_the_exits_of_what_fills_meanwhile(bot: LiveBridge) -> None:
    """Each round the price comes to the entry at another moment of the cancel."""
    for round_ in range(8):
        bot.pin(BTC, 40_000)
        for _ in range(20):
            bot.place(type="limit", price="30000")
        entry = bracket(bot, 41_000, 38_000, type="limit", price="39000")
        for _ in range(20):
            bot.place(type="limit", price="30000")
        bot.steer(BTC, 38_900)
        wait_until(lambda: bot.price(BTC) == 38_900, 0.03 * round_)
        results = bot.bridge.orders.cancel_many(CancelQuery())
        assert [result for result in results if result.problem] == []
        ended = bot.bridge.orders.get(entry.id).status
        assert ended in ("filled", "canceled")
        assert bot.orders() == []
        bot.settle()
        assert bot.orders() == []
        assert bot.locked() == {}
