"""Changes at an exchange that cancels and creates never buy more than the new total."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from backend.bridge.octobot.order_replacement import replacement_id
from backend.errors import OrderNotOpen, OrderPartlyFilled, OrderStateUnknown
from backend.schemas.order_commands import OrderChange
from backend.schemas.orders import Order
from tests.bridge.live_bridge import wait_until
from tests.exchanges.offline_bridge import OfflineBridge
from tests.waiting import shutting_down

TO_TWICE = OrderChange(quantity="0.2")


@pytest.fixture(scope="module")
def shared_bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OfflineBridge]:
    with shutting_down(OfflineBridge(tmp_path_factory.mktemp("home"))) as live:
        yield live.boot()


@pytest.fixture
def live(shared_bridge: OfflineBridge) -> Iterator[OfflineBridge]:
    yield shared_bridge.ready()
    shared_bridge.exchange.recover()
    shared_bridge.cancel_all()


@pytest.fixture
def order(live: OfflineBridge) -> Order:
    name = f"order-{len(live.exchange.orders())}"
    asked = {"quantity": "0.1", "price": "30000", "client_order_id": name, "tag": "a-tag"}
    return live.place(type="limit", **asked)


def open_at_exchange(live: OfflineBridge) -> list[tuple[str | None, Decimal]]:
    return [(o.client_id, o.amount) for o in live.exchange.orders() if o.status == "open"]


def test_a_replaced_order_keeps_its_id_and_its_successor_has_a_client_id(
    live: OfflineBridge, order: Order
) -> None:
    first = live.exchange.order(order.id)
    changed = live.bridge.orders.change(order.id, TO_TWICE)
    assert (changed.method, changed.order.id, changed.order.tag) == ("replaced", order.id, "a-tag")
    successor = replacement_id(order.id, first.id)
    assert open_at_exchange(live) == [(successor, Decimal("0.2"))]
    live.exchange.fill(successor, "0.2")
    assert str(live.settled(order.id).filled) == "0.2"


def test_an_order_that_has_begun_to_fill_is_not_replaced(live: OfflineBridge, order: Order) -> None:
    live.exchange.fill(order.id, "0.05")
    live.settled(order.id, "partially_filled")
    with pytest.raises(OrderPartlyFilled, match="cannot change an order in place"):
        live.bridge.orders.change(order.id, TO_TWICE)
    assert open_at_exchange(live) == [(order.id, Decimal("0.1"))]


def test_a_fill_that_races_the_cancel_is_counted_and_nothing_is_created(
    live: OfflineBridge, order: Order
) -> None:
    before = len(live.exchange.orders())
    live.exchange.behave(late_polls=5)  # the bot does not hear of it in time
    live.exchange.fill(order.id, "0.05")
    live.exchange.behave(late_polls=0)
    with pytest.raises((OrderNotOpen, OrderPartlyFilled)):
        live.bridge.orders.change(order.id, TO_TWICE)
    assert len(live.exchange.orders()) == before
    assert wait_until(lambda: str(live.bridge.orders.get(order.id).filled) == "0.05")
    at_exchange = live.exchange.order(order.id).status
    live.settled(order.id, "canceled" if at_exchange == "canceled" else "partially_filled")


def test_a_successor_is_found_after_a_restart(live: OfflineBridge, order: Order) -> None:
    first = live.exchange.order(order.id)
    live.exchange.fail("create_order", "RequestTimeout", after=True, times=1)
    live.exchange.fail("fetch_open_orders", "RequestTimeout")
    with pytest.raises(OrderStateUnknown):
        live.bridge.orders.change(order.id, TO_TWICE)
    live.exchange.recover()
    live.bridge.bot.restart()
    live.ready()
    assert wait_until(lambda: live.bridge.orders.get(order.id).status == "open")
    assert str(live.bridge.orders.get(order.id).quantity) == "0.2"
    assert [row["id"] for row in live.orders()] == [order.id]
    assert open_at_exchange(live) == [(replacement_id(order.id, first.id), Decimal("0.2"))]


def test_a_change_of_which_only_the_cancel_was_taken_has_canceled(
    live: OfflineBridge, order: Order
) -> None:
    live.exchange.fail("create_order", "InsufficientFunds", times=1)
    with pytest.raises(OrderStateUnknown):
        live.bridge.orders.change(order.id, TO_TWICE)
    live.settled(order.id, "canceled")
    assert open_at_exchange(live) == []
