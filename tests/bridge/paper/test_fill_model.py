"""Paper orders that walk the order book."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from backend.bridge.paper.fill_model import walk
from backend.errors import InsufficientFunds, NoLiquidity, PriceWouldTakeAtOnce
from backend.schemas.orders import Order
from tests.bridge.futures_trader import Trader, futures_settings
from tests.bridge.live_bridge import BTC, FEE, LiveBridge, make_settings
from tests.bridge.strategy_orders import place_as_strategy
from tests.waiting import shutting_down, wait_until

D = Decimal
ASKS = [(D(100), D(2)), (D(101), D(3)), (D(105), D(1))]
BIDS = [(D(99), D(2)), (D(98), D(3))]


@pytest.mark.parametrize(
    ("levels", "side", "quantity", "limit", "taken"),
    [
        (ASKS, "buy", "1", None, [("100", "1")]),
        (ASKS, "buy", "4", None, [("100", "2"), ("101", "2")]),
        (ASKS, "buy", "9", None, [("100", "2"), ("101", "3"), ("105", "1")]),
        (ASKS, "buy", "9", "101", [("100", "2"), ("101", "3")]),
        (ASKS, "buy", "9", "99", []),
        (BIDS, "sell", "4", "98.5", [("99", "2")]),
        ([], "buy", "1", None, []),
    ],
)
def test_a_quantity_takes_the_levels_from_the_best_on(
    levels: list[tuple[Decimal, Decimal]],
    side: str,
    quantity: str,
    limit: str | None,
    taken: list[tuple[str, str]],
) -> None:
    found = walk(levels, side, D(quantity), None if limit is None else D(limit))
    assert found == [(D(price), D(part)) for price, part in taken]


def running(home: Path, **settings: Any) -> LiveBridge:
    return LiveBridge(make_settings(home, **settings))


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveBridge]:
    """A bot of the test's own: others here boot theirs, and a process can hold one at a time."""
    with shutting_down(running(tmp_path, paper_fill="book")) as live:
        yield live.boot().pin_all().settle()


def trades_of(live: LiveBridge, order: Order) -> list[dict[str, Any]]:
    """Return an order's trades, the first one first."""
    live.settle()
    rows = live.trades(limit=500)
    return [row for row in reversed(rows) if row["order_id"] == order.id]


def assert_booked(live: LiveBridge, order: Order, before: dict[str, Decimal]) -> None:
    """The order is the sum of its trades, and the balances changed by exactly those."""
    trades, changes = trades_of(live, order), dict(before)
    sign = 1 if order.side == "buy" else -1
    for trade in trades:
        quantity, price = D(trade["quantity"]), D(trade["price"])
        assert D(trade["cost"]) == quantity * price
        assert trade["liquidity"] == "taker"
        got = quantity if sign == 1 else quantity * price
        assert D(trade["fee"]["cost"]) == got * FEE
        changes["BTC"] += sign * quantity
        changes["USDT"] -= sign * quantity * price
        changes[trade["fee"]["currency"]] -= D(trade["fee"]["cost"])
    assert len({trade["id"] for trade in trades}) == len(trades)
    assert order.filled == sum(D(trade["quantity"]) for trade in trades)
    assert order.cost == sum(D(trade["cost"]) for trade in trades)
    assert order.fee is not None
    assert order.fee.cost == sum(D(trade["fee"]["cost"]) for trade in trades)
    assert live.totals() == changes
    assert live.locked() == {}


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_market_order_fills_at_several_prices(live: LiveBridge, side: str) -> None:
    before = live.totals()
    order = live.place(side=side, quantity="2")
    assert (order.status, order.filled, order.remaining) == ("filled", D(2), 0)
    prices = [D(trade["price"]) for trade in trades_of(live, order)]
    assert len(prices) > 2
    assert prices == sorted(prices, reverse=side == "sell")
    assert prices[0] == (D("40000.01") if side == "buy" else D("39999.99"))
    assert_booked(live, order, before)


def test_what_a_thin_book_does_not_fill_is_canceled(live: LiveBridge) -> None:
    before = live.totals()
    order = live.place(side="sell", quantity="60", tag="all")
    assert (order.status, order.quantity, order.tag) == ("canceled", D(60), "all")
    assert 0 < order.filled < 60
    assert order.remaining == 60 - order.filled
    assert_booked(live, order, before)
    live.place(quantity="5")


@pytest.mark.parametrize("fields", [{}, {"type": "limit", "price": "30000"}])
def test_all_or_nothing_of_a_thin_book_is_nothing(live: LiveBridge, fields: dict[str, str]) -> None:
    before = live.totals()
    asked = {"side": "sell", "quantity": "60", "time_in_force": "FOK", **fields}
    if fields:
        order = live.place(**asked)
        assert (order.status, order.filled) == ("canceled", 0)
    else:
        with pytest.raises(NoLiquidity):
            live.place(**asked)
    live.settle()
    assert live.totals() == before
    assert live.locked() == {}


def test_a_limit_takes_up_to_its_price(live: LiveBridge) -> None:
    before = live.totals()
    order = live.place(side="buy", type="limit", quantity="20", price="40001", time_in_force="IOC")
    assert order.status == "canceled"
    assert 0 < order.filled < 20
    assert all(D(trade["price"]) <= 40_001 for trade in trades_of(live, order))
    assert_booked(live, order, before)


def test_a_limit_that_crosses_takes_and_one_within_the_spread_rests(live: LiveBridge) -> None:
    before = live.totals()
    taker = live.place(type="limit", quantity="0.001", price="40100")
    assert (taker.status, taker.average_price) == ("filled", D("40000.01"))
    assert_booked(live, taker, before)
    with pytest.raises(PriceWouldTakeAtOnce, match=r"at 40000\.01"):
        live.place(type="limit", quantity="0.001", price="40000.01", post_only=True)
    within = live.place(type="limit", quantity="0.001", price="40000", post_only=True)
    assert live.settled(within.id).average_price == 40_000
    assert [trade["liquidity"] for trade in trades_of(live, within)] == ["maker"]
    maker = live.place(type="limit", quantity="0.001", price="39000", post_only=True)
    live.steer(BTC, 38_900)
    filled = live.settled(maker.id)
    assert filled.average_price == 39_000
    assert [trade["liquidity"] for trade in trades_of(live, filled)] == ["maker"]


def test_a_limit_that_the_book_cannot_fill_rests_and_fills_as_maker(live: LiveBridge) -> None:
    order = live.place(type="limit", quantity="20", price="40001")
    assert order.status == "open"
    live.steer(BTC, 40_000)
    filled = live.settled(order.id)
    assert filled.average_price == 40_001
    assert [trade["liquidity"] for trade in trades_of(live, filled)] == ["maker"]
    live.place(side="sell", quantity="15")


def test_several_trades_of_an_order_come_back_after_a_restart(live: LiveBridge) -> None:
    order = live.place(quantity="1")
    trades, totals = trades_of(live, order), live.totals()
    live.bridge.bot.restart()
    live.ready()
    assert (trades_of(live, order), live.totals()) == (trades, totals)


def test_a_stop_walks_the_book_when_it_triggers(live: LiveBridge) -> None:
    before = live.totals()
    stop = live.place(side="sell", type="stop_loss", quantity="2", stop_price="39000")
    live.steer(BTC, 38_000)
    order = live.settled(stop.id)
    assert order.average_price is not None
    assert order.average_price < 38_000
    assert len(trades_of(live, order)) > 2
    assert_booked(live, order, before)


def test_the_exits_of_a_partly_filled_entry_sell_what_it_bought(live: LiveBridge) -> None:
    exits = {"take_profit": {"price": "50000"}, "stop_loss": {"stop_price": "30000"}}
    entry = live.place(type="limit", quantity="20", price="40001", time_in_force="IOC", **exits)
    assert entry.status == "canceled"
    assert wait_until(lambda: len(live.orders()) == 2)
    quantities = {D(order["quantity"]) for order in live.orders()}
    assert len(quantities) == 1
    assert 0 <= entry.filled * (1 - FEE) - quantities.pop() < D("0.00001")


def test_a_strategys_market_order_walks_the_book_too(live: LiveBridge) -> None:
    place_as_strategy("SELL_MARKET", symbol=BTC, current_price=D(40_000), quantity=D(2))
    live.settle()
    order = Order.model_validate(live.orders(status="all")[0], strict=False)
    assert order.filled == 2
    assert len(trades_of(live, order)) > 2


def test_the_top_of_the_book_fills_all_of_it_with_slippage(tmp_path: Path) -> None:
    settings = {"paper_fill": "top", "paper_slippage": D(10), "paper_latency": 1}
    with shutting_down(running(tmp_path / "home", **settings)) as live:
        live.boot().pin_all()
        order = live.place(quantity="2")
        assert order.average_price == D("40040.02")  # 0.1 % above the ask, on a tick
        with pytest.raises(InsufficientFunds):  # at the last price they would suffice
            live.place(quantity=(live.totals()["USDT"] / 40_000).quantize(D("0.0001")))
        live.bridge.bot.restart()
        live.ready()
        assert live.totals()["BTC"] == 100 + 2 * (1 - FEE)


def test_a_contract_is_opened_and_closed_along_the_book(tmp_path: Path) -> None:
    settings = futures_settings(tmp_path / "home", paper_fill="book")
    with shutting_down(Trader(settings)) as trader:
        trader.boot()
        trader.start_over()
        opened = trader.trade("buy", "1")
        assert opened.status == "filled"
        assert opened.average_price is not None
        assert opened.average_price > 40_000
        assert trader.position().entry_price == opened.average_price
        closed = trader.close()
        assert closed.filled == 1
        assert closed.average_price is not None
        assert closed.average_price < 40_000
        trader.settle()
        fees = (opened.cost + closed.cost) * FEE
        assert trader.wallet == 100_000 - opened.cost + closed.cost - fees
