"""Real futures at the sandbox: the exchange has the last word, and closes close once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal as D
from typing import Any

import pytest

from backend.errors import (
    ApiError,
    ExchangeRefused,
    ExchangeUnreachable,
    PositionClosing,
    PositionNotOpen,
)
from backend.sandbox.matching.faults import Fault
from backend.schemas.order_commands import CancelQuery, OrderChange
from backend.schemas.orders import Order
from backend.schemas.positions import Position
from tests.bridge.futures_trader import BTC, START, Trader, futures_settings
from tests.bridge.live_bridge import run_concurrently, wait_until
from tests.waiting import shutting_down

pytestmark = pytest.mark.long
ROUNDS = 3
CLOSE_FAILS = {
    Fault.TIMEOUT_AFTER: "order_state_unknown",
    Fault.RATE_LIMIT: "exchange_rate_limited",
}


@pytest.fixture(scope="module")
def shared_bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trader]:
    home = tmp_path_factory.mktemp("home")
    settings = futures_settings(home, trading="real", symbols=(BTC,), sandbox_speed=1e-6)
    with shutting_down(Trader(settings)) as trader:
        trader.boot()
        yield trader


@pytest.fixture
def trader(shared_bridge: Trader) -> Trader:
    """The shared bot: ready, at 10x isolated, without orders and positions."""
    shared_bridge.ready()
    shared_bridge.pin(BTC, 40000)
    shared_bridge.bridge.orders.cancel_many(CancelQuery())
    for position in shared_bridge.positions():
        shared_bridge.settled(shared_bridge.close(position.symbol).id)
    assert wait_until(lambda: shared_bridge.positions() == [])
    shared_bridge.set(leverage=10, margin_mode="isolated")
    return shared_bridge


def opened(trader: Trader, side: str, quantity: str) -> Position:
    """Trade at the market, and return the position when the bot knows of it."""
    trader.settled(trader.trade(side, quantity).id)
    assert wait_until(lambda: trader.position().side is not None)
    return trader.position()


def wallet(trader: Trader) -> D:
    """Ask the exchange what the account holds."""
    trader.bridge.portfolio.reload()
    return trader.totals()["USDT"]


def test_a_position_is_opened_shown_and_closed(trader: Trader) -> None:
    before, mark = wallet(trader), trader.mark()

    position = opened(trader, "buy", "0.5")

    entry = position.entry_price
    assert entry is not None
    assert (position.quantity, position.leverage) == (D("0.5"), D(10))
    assert position.margin == (entry / 20).quantize(D("1e-8"))
    assert position.liquidation_price == entry * D("0.91")
    assert position.realized_pnl == -entry / 2000
    (told,) = trader.await_told(mark, "position_opened")
    assert (told["side"], told["quantity"]) == ("long", "0.5")

    closing = trader.settled(trader.close().id)

    exit_price = closing.average_price
    assert exit_price is not None
    assert closing.reduce_only
    assert wait_until(lambda: trader.positions() == [])
    gain = (exit_price - entry) / 2 - (exit_price + entry) / 2000
    assert wait_until(lambda: wallet(trader) == before + gain)
    assert trader.await_told(mark, "position_opened", "position_closed")[1]["side"] == "long"


def test_of_closes_at_once_exactly_one_closes(trader: Trader) -> None:
    opened(trader, "sell", "0.5")

    outcomes = run_concurrently([trader.close] * 4)

    orders = [outcome for outcome in outcomes if isinstance(outcome, Order)]
    assert len(orders) == 1
    refused = [outcome for outcome in outcomes if not isinstance(outcome, Order)]
    assert all(isinstance(error, PositionClosing | PositionNotOpen) for error in refused), refused
    trader.settled(orders[0].id)
    assert wait_until(lambda: trader.positions(status="open") == [])


@pytest.mark.parametrize("fault", [None, Fault.TIMEOUT_AFTER, Fault.RATE_LIMIT])
def test_closes_that_race_at_a_failing_exchange_never_close_twice(
    trader: Trader, fault: Fault | None
) -> None:
    faults, before = trader.bridge.sandbox.faults, len(trader.orders(status="all"))
    before_there = len(every_order(trader))
    for round_ in range(ROUNDS):
        opened(trader, "buy", "0.05")
        faults.latency_s = 0.01 * (round_ % 2)
        if fault is not None:
            faults.inject(fault, "create_order", times=1 + round_ % 2)
        outcomes = run_concurrently([trader.close] * 4)
        faults.clear()

        closed = [outcome for outcome in outcomes if isinstance(outcome, Order)]
        refused = {outcome.type for outcome in outcomes if not isinstance(outcome, Order)}
        assert len(closed) <= 1
        assert refused <= {"position_closing", "position_not_open", CLOSE_FAILS.get(fault)}
        if not closed and fault is Fault.RATE_LIMIT:
            closed.append(trader.close())
        assert wait_until(lambda: not trader.positions())
        assert wait_until(lambda: trader.orders() == [])
    closes = trader.orders(status="all")[: -before or None]
    assert [o["status"] for o in closes] == ["filled"] * 2 * ROUNDS
    assert [o["reduce_only"] for o in closes] == [True, False] * ROUNDS
    theirs = every_order(trader)[before_there:]
    assert {row["status"] for row in theirs} == {"closed"}
    assert {o["id"] for o in closes} == {row["request"]["client_order_id"] for row in theirs}


def test_the_exchange_keeps_leverage_and_margin_mode(trader: Trader) -> None:
    assert trader.set(leverage=25, margin_mode="cross").margin_mode == "cross"
    trader.bridge.bot.restart()
    trader.ready()
    position = trader.position()
    assert (position.leverage, position.margin_mode) == (D(25), "cross")
    with pytest.raises(ExchangeRefused):
        trader.set(leverage=51)
    assert trader.position().leverage == D(25)


def test_a_position_is_there_again_after_a_restart(trader: Trader) -> None:
    before = opened(trader, "sell", "0.25")
    assert before.side == "short"

    trader.bridge.bot.restart()
    trader.ready()

    after = trader.position()
    assert after.model_copy(update={"mark_price": None}) == before.model_copy(
        update={"mark_price": None}
    )

    def shown() -> list[str | None]:
        loads = [items for topic, items in trader.sink.loads if topic == "positions"]
        return [symbol for symbol, _ in loads[-1].values()]

    assert wait_until(lambda: shown() == [BTC])


@pytest.mark.parametrize("endpoint", ["fetch_position", "set_leverage"])
def test_an_exchange_that_does_not_answer_is_named(trader: Trader, endpoint: str) -> None:
    faults = trader.bridge.sandbox.faults
    faults.inject(Fault.DISCONNECTION, endpoint)
    try:
        with pytest.raises(ExchangeUnreachable):
            trader.set(leverage=7)
    finally:
        faults.clear()


def test_an_unanswered_close_is_found_again_and_never_sent_twice(trader: Trader) -> None:
    opened(trader, "buy", "0.5")
    faults = trader.bridge.sandbox.faults
    faults.inject(Fault.TIMEOUT_AFTER, "create_order")
    try:
        with pytest.raises(ApiError) as raised:
            trader.close(client_order_id="closing")
        assert raised.value.type == "order_state_unknown"
    finally:
        faults.clear()

    with pytest.raises(PositionNotOpen):
        trader.close()
    (found,) = trader.orders(status="all", client_order_id="closing")
    trader.settled(found["id"])
    assert wait_until(lambda: trader.positions() == [])


def at_the_exchange(trader: Trader) -> list[dict[str, Any]]:
    """Read what the exchange has written down of the open orders."""
    return [order for order in every_order(trader) if order["status"] == "open"]


def every_order(trader: Trader) -> list[dict[str, Any]]:
    file = json.loads((trader.settings.home / "sandbox.json").read_text())
    (account,) = file["accounts"].values()
    return list(account["orders"])


def test_exits_and_changed_orders_only_reduce_at_the_exchange_too(trader: Trader) -> None:
    exits = {"take_profit": {"price": "41000"}, "stop_loss": {"stop_price": "39000"}}
    entry = trader.trade("buy", "0.1", **exits)
    trader.settled(entry.id)
    # OctoBot keeps the stop to itself until its price comes
    assert wait_until(lambda: len(at_the_exchange(trader)) == 1), at_the_exchange(trader)
    assert at_the_exchange(trader)[0]["request"]["reduce_only"] is True
    assert wait_until(lambda: len(trader.orders()) == 2)
    profit = next(order for order in trader.orders() if order["type"] == "limit")

    trader.bridge.orders.change(profit["id"], OrderChange(price="42000"))

    prices = {o["request"]["price"]: o["request"]["reduce_only"] for o in at_the_exchange(trader)}
    assert prices["42000"] is True
    trader.pin(BTC, 38900)
    assert wait_until(lambda: trader.positions() == [])
    assert wait_until(lambda: at_the_exchange(trader) == [])


def test_a_liquidation_at_the_exchange_is_seen_soon(trader: Trader) -> None:
    mark = trader.mark()
    position = opened(trader, "buy", "0.1")
    assert position.liquidation_price is not None

    trader.steer(BTC, position.liquidation_price.quantize(D(1)) - 1)

    assert wait_until(lambda: trader.positions() == [])
    assert wait_until(lambda: trader.told(mark)[-1][0] == "position_closed"), trader.told(mark)
    (_, opening), *updates, (_, closed) = trader.told(mark)
    assert (opening["side"], opening["quantity"]) == ("long", "0.1")
    assert {name for name, _ in updates} <= {"position_updated"}  # as the exchange tells of it
    assert (closed["side"], closed["quantity"]) == ("long", "0")


def test_the_account_begins_with_what_the_settings_give(trader: Trader) -> None:
    assert D("0.99") < wallet(trader) / START < D("1.01")
