"""Real orders across a stop of the bot: what the exchange did meanwhile is found out."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from backend.schemas.order_commands import OrderChange
from backend.schemas.orders import Order
from tests.bridge.live_bridge import BTC, wait_until
from tests.recovery.real_trading import RealBridge
from tests.waiting import shutting_down

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def shared_bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealBridge]:
    with shutting_down(RealBridge(tmp_path_factory.mktemp("home"))) as real:
        real.boot()
        yield real


@pytest.fixture
def real(shared_bridge: RealBridge) -> RealBridge:
    """The shared bot at its usual price, without open orders."""
    shared_bridge.pin(BTC, 39_990)
    shared_bridge.pin(BTC, 40_000)
    shared_bridge.cancel_all()
    shared_bridge.bridge.orders.cancel(
        shared_bridge.place(type="limit", quantity="0.1", price="20000").id
    )
    return shared_bridge


def bracket(real: RealBridge, **fields: Any) -> Order:
    exits = {"take_profit": {"price": "44000"}, "stop_loss": {"stop_price": "36000"}}
    return real.place(quantity="0.1", **exits, **fields)


def while_stopped(real: RealBridge, *prices: int) -> None:
    """Let the price go there while the bot is stopped, and start it again."""
    real.bridge.bot.stop()
    for price in prices:
        real.bridge.sandbox.pin(BTC, Decimal(price))
    real.bridge.bot.start()
    real.ready()


def exits_of(real: RealBridge, entry: Order) -> dict[str, str]:
    rows = [o for o in real.orders(status="all") if o["parent_order_id"] == entry.id]
    assert len(rows) == len({row["type"] for row in rows})
    return {row["type"]: row["status"] for row in rows}


def await_exits(real: RealBridge, entry: Order, **statuses: str) -> None:
    """Wait for an entry's exits; OctoBot watches the stop itself, the exchange has the other."""
    assert wait_until(lambda: exits_of(real, entry) == statuses), exits_of(real, entry)
    (profit,) = [
        o
        for o in real.orders(status="all")
        if o["parent_order_id"] == entry.id and o["type"] == "limit"
    ]
    assert real.at_exchange()[profit["id"]][0] == statuses["limit"]


def assert_balances_are_true(real: RealBridge) -> None:
    def told() -> dict[str, Any]:
        real.bridge.portfolio.reload()
        return {a: (b.total, b.available) for a, b in real.balances().items()}

    assert wait_until(lambda: told() == real.balances_at_exchange()), told()


def test_what_filled_while_the_bot_was_stopped_is_told_with_its_trade(real: RealBridge) -> None:
    filling = real.place(type="limit", quantity="0.1", price="39000")
    resting = real.place(type="limit", quantity="0.1", price="30000")
    while_stopped(real, 38_900)
    real.settled(filling.id)
    assert_balances_are_true(real)
    assert wait_until(lambda: filling.id in {trade["order_id"] for trade in real.trades()})
    assert real.bridge.orders.get(resting.id).status == "open"
    assert real.bridge.orders.cancel(resting.id).status == "canceled"


def test_exits_of_an_entry_that_filled_meanwhile_are_placed_once(real: RealBridge) -> None:
    entry = bracket(real, type="limit", price="39000")
    while_stopped(real, 38_900)
    await_exits(real, entry, limit="open", stop_loss="open")
    while_stopped(real, 38_900)
    await_exits(real, entry, limit="open", stop_loss="open")
    real.pin(BTC, 44_100)
    await_exits(real, entry, limit="filled", stop_loss="canceled")


def test_a_stop_that_the_bot_watches_itself_is_watched_again(real: RealBridge) -> None:
    held = real.balances_at_exchange()["BTC"][0]
    stop = real.place(side="sell", type="stop_loss", quantity="0.2", stop_price="39000")
    canceled = real.place(side="sell", type="stop_loss", quantity="0.2", stop_price="39000")
    while_stopped(real)
    assert real.bridge.orders.cancel(canceled.id).status == "canceled"
    real.pin(BTC, 38_900)
    real.settled(stop.id)
    assert wait_until(lambda: real.balances_at_exchange()["BTC"][0] == held - Decimal("0.2"))
    assert_balances_are_true(real)


def test_an_entry_that_rested_brings_its_exits_after_a_restart(real: RealBridge) -> None:
    entry = bracket(real, type="limit", price="39000")
    while_stopped(real)
    real.pin(BTC, 38_900)
    await_exits(real, entry, limit="open", stop_loss="open")


@pytest.mark.parametrize(
    ("price", "ends"),
    [
        (44_100, {"limit": "filled", "stop_loss": "canceled"}),
        (35_900, {"limit": "canceled", "stop_loss": "filled"}),
    ],
)
@pytest.mark.parametrize("meanwhile", [True, False])
def test_one_exit_cancels_the_other_across_a_restart(
    real: RealBridge, price: int, ends: dict[str, str], meanwhile: bool
) -> None:
    entry = bracket(real)
    await_exits(real, entry, limit="open", stop_loss="open")

    if meanwhile:
        while_stopped(real, price)
    else:
        while_stopped(real)
        real.pin(BTC, price)
    await_exits(real, entry, **ends)
    assert_balances_are_true(real)


def test_a_stop_that_the_bot_watches_itself_can_be_changed_and_then_canceled(
    real: RealBridge,
) -> None:
    stop = real.place(side="sell", type="stop_loss", quantity="0.2", stop_price="39000")
    changed = real.bridge.orders.change(stop.id, OrderChange(stop_price="38000")).order
    assert (changed.status, changed.stop_price) == ("open", Decimal(38_000))
    assert real.bridge.orders.cancel(stop.id).status == "canceled"
