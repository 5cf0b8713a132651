"""Fills of real orders are what the exchange has executed, whatever it tells of the orders."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest

from backend.errors import ApiError
from backend.schemas.order_commands import OrderChange
from backend.schemas.trades import TradeQuery
from tests.bridge.live_bridge import BTC, content, wait_until
from tests.exchanges.offline_bridge import OfflineBridge
from tests.waiting import shutting_down

pytestmark = pytest.mark.long
D = Decimal


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OfflineBridge]:
    with shutting_down(OfflineBridge(tmp_path_factory.mktemp("home"))) as live:
        yield live.boot()


@pytest.fixture
def live(shared: OfflineBridge) -> Iterator[OfflineBridge]:
    """The shared bot, with an exchange that is friendly again afterwards."""
    yield shared
    shared.exchange.recover()
    shared.exchange.befriend()
    shared.exchange.set_price(BTC, 40_000)


def resting(live: OfflineBridge, **fields: Any) -> str:
    """Place a limit buy of 0.2 that waits."""
    order = live.place(**{"type": "limit", "quantity": "0.2", "price": "39000", **fields})
    assert order.status == "open"
    return order.id


def trades_of(live: OfflineBridge, order_id: str) -> list[dict[str, Any]]:
    rows = content(live.bridge.trades.page(TradeQuery(limit=500)))
    return [row for row in rows if row["order_id"] == order_id]


def facts_of(live: OfflineBridge, order_id: str) -> list[tuple[Any, ...]]:
    """Return quantity, price and fees of an order's trades that are no estimates."""
    return sorted(
        (D(row["quantity"]), D(row["price"]), fees(row))
        for row in trades_of(live, order_id)
        if not row["estimated"]
    )


def fees(row: dict[str, Any]) -> tuple[tuple[D, str], ...]:
    told = row["fees"] or ([row["fee"]] if row["fee"] else [])
    return tuple(sorted((D(fee["cost"]), fee["currency"]) for fee in told))


def executed(live: OfflineBridge, order_id: str) -> list[tuple[Any, ...]]:
    """Return the same of what the exchange has executed."""
    return sorted(
        (each.amount, each.price, tuple(sorted((fee.cost, fee.currency) for fee in each.fees)))
        for each in live.exchange.executions(order_id)
    )


def await_facts(live: OfflineBridge, order_id: str) -> None:
    """Wait until trades, order and balances are what the exchange has."""

    def is_true() -> bool:
        return facts_of(live, order_id) == executed(live, order_id) and not any(
            row["estimated"] for row in trades_of(live, order_id)
        )

    assert wait_until(is_true), (trades_of(live, order_id), executed(live, order_id))
    order, real = live.bridge.orders.get(order_id), live.exchange.order(order_id)
    assert (order.filled, order.cost) == (real.filled, real.cost)
    assert order.remaining == order.quantity - order.filled
    assert wait_until(lambda: live.balances_told() == live.exchange.balances())


@pytest.mark.parametrize("status", ["canceled", "expired", "rejected"])
def test_what_an_order_executed_before_its_end_is_in_trades_and_balances(live, status) -> None:
    order_id = resting(live)
    live.exchange.fill(order_id, "0.05")
    live.exchange.end(order_id, status)
    order = live.settled(order_id, status)
    assert order.filled == D("0.05")
    await_facts(live, order_id)


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"answers_id_only": True},
        {"told_statuses": {"canceled": "closed"}},
        {"told_statuses": {"canceled": None}},
        {"told_statuses": {"canceled": "closed"}, "answers_id_only": True},
    ],
)
def test_a_quick_cancel_tells_what_was_executed(live, switches) -> None:
    live.exchange.behave(**switches)
    order_id = resting(live)
    live.exchange.fill(order_id, "0.05")
    canceled = live.bridge.orders.cancel(order_id)
    assert (canceled.status, canceled.filled) == ("canceled", D("0.05"))
    await_facts(live, order_id)


def test_an_order_told_as_closed_is_filled_only_as_far_as_it_was_executed(live) -> None:
    live.exchange.behave(told_statuses={"expired": "closed"})
    order_id = resting(live)
    live.exchange.fill(order_id, "0.1", "38990")
    live.exchange.end(order_id, "expired")
    order = live.settled(order_id, "canceled")
    assert (order.filled, order.remaining, order.average_price) == (D("0.1"), D("0.1"), D(38_990))
    await_facts(live, order_id)


def test_a_market_order_that_was_executed_in_part_is_not_all_filled(live) -> None:
    live.exchange.behave(market_filled="0.5", told_statuses={"canceled": "closed"})
    order = live.place(quantity="0.2")
    assert wait_until(lambda: live.bridge.orders.get(order.id).status == "canceled")
    assert live.bridge.orders.get(order.id).filled == D("0.1")
    await_facts(live, order.id)


def test_each_partial_fill_of_an_open_order_is_shown_with_the_next_poll(live) -> None:
    order_id, mark = resting(live), live.mark()
    for filled in ("0.05", "0.12"):
        amount = D(filled) - live.bridge.orders.get(order_id).filled
        live.exchange.fill(order_id, amount)
        assert wait_until(
            lambda filled=filled: live.bridge.orders.get(order_id).filled == D(filled)
        )
        order = live.bridge.orders.get(order_id)
        assert order.status == "partially_filled"
        await_facts(live, order_id)
    assert live.sink.names(mark, "orders")[0] == "order_updated"
    live.exchange.fill(order_id, "0.08")
    live.settled(order_id)
    await_facts(live, order_id)


FEES = {
    "third": {"fee": "third"},
    "third, told with the trades": {"fee": "third", "fees_in_orders": False},
    "two currencies": {"fee": "several", "fees_in_orders": False},
    "two currencies in the order": {"fee": "several"},
    "a rebate": {"fee_rates": ["-0.0001", "-0.0001"], "fee": "quote"},
}


@pytest.mark.parametrize("switches", FEES.values(), ids=FEES)
def test_fees_are_those_of_the_trades_one_for_each(live, switches) -> None:
    live.exchange.behave(**switches, parts=["0.5", "0.3", "0.2"], part_slippage="0.01")
    order = live.place(quantity="0.1")
    live.settled(order.id)
    await_facts(live, order.id)
    assert len(trades_of(live, order.id)) == 3
    sums: dict[str, D] = {}
    for each in live.exchange.executions(order.id):
        for fee in each.fees:
            sums[fee.currency] = sums.get(fee.currency, D(0)) + fee.cost
    told = live.bridge.orders.get(order.id)
    assert {fee.currency: fee.cost for fee in told.fees or (told.fee,)} == sums


def test_a_fee_that_is_not_told_is_null_and_not_invented(live) -> None:
    live.exchange.behave(fees_in_orders=False, hidden_trades=True)
    order = live.settled(live.place(quantity="0.1").id)
    assert wait_until(lambda: trades_of(live, order.id))
    (estimate,) = trades_of(live, order.id)
    assert (estimate["estimated"], estimate["fee"], estimate["fees"]) == (True, None, [])
    assert live.bridge.orders.get(order.id).fee is None
    mark = live.mark()
    live.exchange.behave(hidden_trades=False)
    await_facts(live, order.id)
    assert live.bridge.orders.get(order.id).fee is not None
    told = ["trade_replaced", "trade", "order_updated"]
    assert wait_until(lambda: live.sink.names(mark, "trades", "orders") == told)


def test_an_exchange_without_trades_leaves_estimates_of_what_its_orders_tell(live) -> None:
    live.exchange.behave(hidden_trades=True)
    order = live.settled(live.place(quantity="0.1").id)
    assert wait_until(lambda: trades_of(live, order.id))
    (estimate,) = trades_of(live, order.id)
    assert (D(estimate["price"]), D(estimate["quantity"])) == (D(40_000), D("0.1"))
    assert fees(estimate) == ((D("0.0001"), "BTC"),)


@pytest.mark.parametrize("hidden", [False, True])
def test_a_slippage_limit_that_a_later_row_tells_is_no_price(live, hidden) -> None:
    live.exchange.behave(average_told="in_answers", slippage_limit="0.05", hidden_trades=hidden)
    order = live.settled(live.place(quantity="0.1").id)
    assert wait_until(lambda: trades_of(live, order.id))
    assert [D(row["price"]) for row in trades_of(live, order.id)] == [D(40_000)]
    told = live.bridge.orders.get(order.id)
    assert (told.average_price, told.cost) == (D(40_000), D(4_000))
    live.exchange.behave(hidden_trades=False)
    await_facts(live, order.id)


def test_a_restart_finds_what_was_executed_meanwhile(live) -> None:
    first, second = resting(live), resting(live)
    live.bridge.bot.stop()
    live.exchange.fill(first, "0.05")
    live.exchange.end(first, "expired")
    live.exchange.fill(second, "0.07")
    live.bridge.bot.start()
    live.ready()
    live.settled(first, "expired")
    await_facts(live, first)
    assert wait_until(lambda: live.bridge.orders.get(second).filled == D("0.07"))
    await_facts(live, second)


def test_a_change_that_comes_too_late_does_not_lose_the_orders_end(live) -> None:
    order_id = resting(live)
    placed = len(live.exchange.orders())
    live.exchange.fill(order_id, "0.15")
    with suppress(ApiError):
        live.bridge.orders.change(order_id, OrderChange(quantity="0.1"))
    # the exchange cannot edit: the order was canceled, and none that buys more was created
    assert live.settled(order_id, "canceled").filled == D("0.15")
    await_facts(live, order_id)
    assert len(live.exchange.orders()) == placed
