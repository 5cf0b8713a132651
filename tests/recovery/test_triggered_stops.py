"""Stops that the bot watches itself at a real exchange: each sells once, whatever goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from octobot_trading.personal_data import OrdersUpdater

from backend.errors import ExchangeRefused, OrderNotOpen
from backend.sandbox.matching.faults import Fault
from backend.schemas.orders import Order
from tests.bridge.live_bridge import BTC, wait_until
from tests.recovery import fast_polling as brisk
from tests.recovery.real_trading import RealBridge
from tests.waiting import shutting_down

pytestmark = pytest.mark.long

QUANTITY = "0.1"
GIVE_UP_S = 0.5


@pytest.fixture(scope="module")
def shared_bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealBridge]:
    with pytest.MonkeyPatch.context() as octobot:
        for name, seconds in brisk.OFTEN.items():
            octobot.setattr(OrdersUpdater, name, seconds)
        with shutting_down(RealBridge(tmp_path_factory.mktemp("home"), GIVE_UP_S)) as real:
            real.boot()
            real.place(
                type="limit", quantity=QUANTITY, price="20000"
            )  # the exchange begins to write
            yield real


@pytest.fixture
def real(shared_bridge: RealBridge) -> RealBridge:
    """The shared bot at its usual price, without open orders."""
    shared_bridge.ready()
    shared_bridge.pin(BTC, 39_990)
    shared_bridge.pin(BTC, 40_000)
    shared_bridge.cancel_all()
    return shared_bridge


def stop_loss(real: RealBridge) -> Order:
    return real.place(side="sell", type="stop_loss", quantity=QUANTITY, stop_price="36000")


def stop_limit(real: RealBridge) -> Order:
    prices = {"stop_price": "36000", "price": "35000"}
    return real.place(side="sell", type="stop_limit", quantity=QUANTITY, **prices)


def take_profit(real: RealBridge) -> Order:
    return real.place(side="buy", type="take_profit", quantity=QUANTITY, stop_price="36000")


def take_profit_limit(real: RealBridge) -> Order:
    prices = {"stop_price": "36000", "price": "37000"}
    return real.place(side="buy", type="take_profit_limit", quantity=QUANTITY, **prices)


def half(real: RealBridge) -> Order:
    """Place a bracket, and return its stop loss once both exits are there."""
    exits = {"take_profit": {"price": "44000"}, "stop_loss": {"stop_price": "36000"}}
    entry = real.place(quantity=QUANTITY, **exits)

    def stops() -> list[dict[str, Any]]:
        found = [o for o in real.orders() if o["parent_order_id"] == entry.id]
        return [o for o in found if o["type"] == "stop_loss"] if len(found) == 2 else []

    assert wait_until(stops)
    return real.bridge.orders.get(stops()[0]["id"])


def trigger(real: RealBridge) -> None:
    """Move the price there without waiting for the bot."""
    real.bridge.sandbox.pin(BTC, Decimal(35_900))


def other_half(real: RealBridge, stop: Order) -> str:
    """Return how the take profit of a stop loss stands."""
    (status,) = [
        str(o["status"])
        for o in real.orders(status="all")
        if o["parent_order_id"] == stop.parent_order_id and o["type"] == "limit"
    ]
    return status


def assert_executed_once(real: RealBridge, stop: Order) -> None:
    """One order and one trade, here and at the exchange, and what they make of the balances."""
    ended = real.settled(stop.id)
    real.await_whole_truth()
    (fill,) = [fill for fill in real.trades_at_exchange() if fill.order_id == stop.id]
    assert (ended.type, ended.filled, ended.average_price) == (stop.type, fill.quantity, fill.price)
    assert fill.quantity == stop.quantity
    if stop.parent_order_id is not None:
        assert other_half(real, stop) == "canceled"


def names_of(real: RealBridge, mark: int, order: Order) -> list[str]:
    return [event.name for event in real.sink.since(mark, "orders") if event.key == order.id]


@pytest.mark.parametrize("place", [stop_loss, stop_limit, take_profit, take_profit_limit, half])
def test_a_triggered_stop_is_one_order_and_one_trade(
    real: RealBridge, place: Callable[[RealBridge], Order]
) -> None:
    stop, mark = place(real), real.mark()
    trigger(real)
    assert_executed_once(real, stop)
    assert wait_until(lambda: names_of(real, mark, stop)[-1:] == ["order_filled"])


def test_a_stop_sells_while_the_bot_is_paused(real: RealBridge) -> None:
    stop = stop_loss(real)
    real.bridge.bot.pause()
    try:
        trigger(real)
        assert_executed_once(real, stop)
    finally:
        real.bridge.bot.resume()


@pytest.mark.parametrize("fault", [Fault.TIMEOUT_AFTER, Fault.TIMEOUT_BEFORE])
def test_a_stop_whose_answer_is_lost_is_unknown_until_the_exchange_was_asked(
    real: RealBridge, fault: Fault
) -> None:
    stop = half(real)
    with real.fault(Fault.DISCONNECTION, "fetch_closed_orders"), real.fault(fault, "create_order"):
        trigger(real)
        real.settled(stop.id, "unknown")
    assert_executed_once(real, stop)


@pytest.mark.parametrize("endpoint", ["create_order", "cancel_order"])
def test_a_stop_that_the_exchange_has_no_time_for_is_sent_again(
    real: RealBridge, endpoint: str
) -> None:
    stop = half(real)
    real.bridge.sandbox.faults.inject(Fault.RATE_LIMIT, endpoint, times=1)
    trigger(real)
    assert_executed_once(real, stop)


@pytest.mark.parametrize("fault", [Fault.NO_FUNDS, Fault.REJECTION])
def test_a_stop_that_the_exchange_refuses_is_rejected(real: RealBridge, fault: Fault) -> None:
    stop, mark = half(real), real.mark()
    with real.fault(fault, "create_order"):
        trigger(real)
        assert real.settled(stop.id, "rejected").filled == 0
    real.await_whole_truth()
    assert stop.id not in real.at_exchange()
    assert wait_until(lambda: names_of(real, mark, stop)[-1:] == ["order_canceled"])
    assert other_half(real, stop) == "canceled"


def test_a_triggered_stop_that_waits_for_the_exchange_can_be_canceled(real: RealBridge) -> None:
    stop, counters = stop_loss(real), real.bridge.counters.exchange_errors
    refused = ("sandbox", "create_order", "RateLimitExceeded")
    before = counters[refused]
    with real.fault(Fault.RATE_LIMIT, "create_order"):
        trigger(real)
        assert wait_until(lambda: counters[refused] > before)

        def canceled() -> bool:
            try:
                return real.bridge.orders.cancel(stop.id).status == "canceled"
            except ExchangeRefused:  # it was being sent that very moment
                return False

        assert wait_until(canceled)
    with pytest.raises(OrderNotOpen):
        real.bridge.orders.cancel(stop.id)
    real.await_whole_truth()
    assert stop.id not in real.at_exchange()


@pytest.mark.parametrize("told", [1, 2])
def test_a_stop_that_a_restart_of_the_bot_interrupts_is_sold_once(
    real: RealBridge, told: int
) -> None:
    """Interrupted while the other half is canceled, and while the stop itself is sent."""
    stop, mark = half(real), real.mark()
    real.bridge.sandbox.faults.latency_s = 0.2
    trigger(real)
    assert wait_until(lambda: names_of(real, mark, stop).count("order_updated") >= told)
    real.bridge.bot.restart()
    real.bridge.sandbox.faults.clear()
    real.ready()
    assert_executed_once(real, stop)
