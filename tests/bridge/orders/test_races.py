from __future__ import annotations

import threading
import time
from collections import Counter
from decimal import Decimal

import pytest

from backend.errors import OrderNotOpen
from backend.schemas.order_commands import ChangedOrder, OrderChange
from backend.schemas.orders import Order
from tests.bridge.live_bridge import BTC, FEE, LiveBridge, new_order, run_concurrently

pytestmark = pytest.mark.long

D = Decimal
ROUNDS = 24


def test_a_cancel_that_races_a_fill_ends_in_one_of_the_two(bot: LiveBridge) -> None:
    ends: Counter[str] = Counter()
    for round_ in range(ROUNDS):
        bot.pin(BTC, 40_000)
        before, mark = bot.balances(), bot.mark()
        order = bot.place(type="limit", quantity="0.1", price="39000")
        if round_ > 0:  # the first cancel wins, on a slow machine too
            bot.steer(BTC, 38_900)
        # OctoBot hears of a price within a tenth of a second
        time.sleep(round_ / ROUNDS * 0.2)
        if round_ == ROUNDS - 1:  # and the last fill
            bot.settled(order.id)
        (answer,) = run_concurrently([lambda order=order: bot.bridge.orders.cancel(order.id)])
        ended = bot.bridge.orders.get(order.id)
        if isinstance(answer, Order):
            assert answer == ended
        else:
            assert isinstance(answer, OrderNotOpen)
            assert ended.status == "filled"
        bot.settle()
        assert bot.bridge.orders.get(order.id) == ended
        after = bot.balances()
        bought = D("0.1") if ended.status == "filled" else D(0)
        assert after["BTC"].total == before["BTC"].total + bought * (1 - FEE)
        # at its limit, or at the trade that the order met when it came
        paid = (ended.average_price or D(0)) * bought
        assert paid in (bought * 39_000, bought * 38_900)
        assert after["USDT"].total == before["USDT"].total - paid
        assert bot.locked() == {}
        end = {"filled": ["order_filled", "trade"], "canceled": ["order_canceled"]}[ended.status]
        assert bot.sink.names(mark, "orders", "trades") == ["order_created", *end]
        ends[ended.status] += 1
    assert set(ends) == {"filled", "canceled"}


def test_of_many_cancels_at_once_one_cancels(bot: LiveBridge) -> None:
    for _ in range(10):
        before, mark = bot.balances(), bot.mark()
        order = bot.place(type="limit", quantity="0.1", price="39000")
        outcomes = run_concurrently([lambda order=order: bot.bridge.orders.cancel(order.id)] * 8)
        refused = [outcome for outcome in outcomes if isinstance(outcome, OrderNotOpen)]
        canceled = [outcome for outcome in outcomes if isinstance(outcome, Order)]
        assert len(canceled) >= 1
        assert len(canceled) + len(refused) == 8
        assert {outcome.status for outcome in canceled} == {"canceled"}
        bot.settle()
        assert bot.balances() == before
        assert bot.sink.names(mark, "orders") == ["order_created", "order_canceled"]


def test_a_change_that_races_a_cancel_holds_or_is_refused(bot: LiveBridge) -> None:
    change = OrderChange(quantity=D("0.2"))
    for round_ in range(20):
        order = bot.place(type="limit", quantity="0.1", price="39000")
        calls = [
            lambda order=order: bot.bridge.orders.change(order.id, change),
            lambda order=order: bot.bridge.orders.cancel(order.id),
        ]
        outcomes = run_concurrently(calls if round_ % 2 else calls[::-1])
        changed, canceled = outcomes if round_ % 2 else outcomes[::-1]
        assert isinstance(canceled, Order)
        assert isinstance(changed, ChangedOrder | OrderNotOpen)
        assert canceled.quantity == (D("0.2") if isinstance(changed, ChangedOrder) else D("0.1"))
        assert canceled.status == "canceled"
        assert bot.bridge.orders.get(order.id) == canceled


def test_orders_placed_at_once_are_all_booked(bot: LiveBridge) -> None:
    before, mark = bot.totals(), bot.mark()
    buy, sell = (new_order(side=side, quantity="0.01") for side in ("buy", "sell"))
    outcomes = run_concurrently([lambda: bot.bridge.orders.create(buy)] * 15)
    outcomes += run_concurrently([lambda: bot.bridge.orders.create(sell)] * 15)
    assert {outcome.status for outcome in outcomes} == {"filled"}
    assert len({outcome.id for outcome in outcomes}) == 30
    bot.settle()
    volume = 15 * D("0.01")
    spent = {"BTC": volume * FEE, "USDT": volume * 40_000 * FEE}
    assert bot.totals() == {a: total - spent.get(a, 0) for a, total in before.items()}
    assert bot.sink.names(mark).count("trade") == 30
    assert bot.sink.names(mark)[-1] == "portfolio_updated"


def test_reads_during_trading_are_whole(bot: LiveBridge) -> None:
    start, step = bot.totals(), D("0.01")
    worth = start["USDT"] + start["BTC"] * 40_000
    done, seen = threading.Event(), set()

    def read() -> int:
        count = 0
        while not done.is_set():
            totals = bot.totals()
            seen.add(totals["USDT"] + totals["BTC"] * 40_000)
            assert len({order["id"] for order in bot.orders(status="all")}) <= 100
            count += 1
        return count

    def trade() -> None:
        try:
            for _ in range(25):
                bot.place(side="buy", quantity=step)
                bot.place(side="sell", quantity=step)
        finally:
            done.set()

    counts = run_concurrently([read, read, trade])
    assert min(counts[:2]) > 10
    # each order costs its fee, and nothing else: a half-booked one would show as a whole order
    fee = step * 40_000 * FEE
    assert seen <= {worth - count * fee for count in range(51)}
    assert len(seen) > 10
