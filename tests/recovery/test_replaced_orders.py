"""An exchange where no order can be changed: ccxt cancels it there, and creates another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from backend.errors import OrderStateUnknown
from backend.sandbox.matching.faults import Fault
from backend.schemas.order_commands import OrderChange
from backend.schemas.orders import Order
from tests.bridge.live_bridge import wait_until
from tests.recovery.real_trading import RealBridge
from tests.waiting import shutting_down

CHANGE = OrderChange(quantity="0.2")


@pytest.fixture(scope="module")
def shared_bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealBridge]:
    with shutting_down(RealBridge(tmp_path_factory.mktemp("home"))) as real:
        real.boot()
        yield real


@pytest.fixture
def rigid(shared_bridge: RealBridge) -> RealBridge:
    shared_bridge.bridge.sandbox.faults.is_edit_unsupported = True
    return shared_bridge


@pytest.fixture
def order(rigid: RealBridge) -> Order:
    return rigid.place(type="limit", quantity="0.1", price="20000")


def test_a_change_by_another_order_says_so_and_keeps_the_id(
    rigid: RealBridge, order: Order
) -> None:
    changed = rigid.bridge.orders.change(order.id, CHANGE)
    assert (changed.method, changed.order.id) == ("replaced", order.id)
    assert (changed.order.status, str(changed.order.quantity)) == ("open", "0.2")
    assert rigid.at_exchange()[order.id][0] == "canceled"
    assert rigid.bridge.orders.get(order.id).status == "open"
    assert rigid.bridge.orders.cancel(order.id).status == "canceled"
    assert "open" not in {status for status, *_ in rigid.at_exchange().values()}


@pytest.mark.parametrize("fault", [Fault.REJECTION, Fault.NO_FUNDS, Fault.TIMEOUT_BEFORE])
def test_a_change_of_which_only_the_cancel_was_taken_has_canceled(
    rigid: RealBridge, order: Order, fault: Fault
) -> None:
    with rigid.fault(fault, "create_order"), pytest.raises(OrderStateUnknown):
        rigid.bridge.orders.change(order.id, CHANGE)
    assert wait_until(lambda: rigid.bridge.orders.get(order.id).status == "canceled")
    assert rigid.at_exchange()[order.id][0] == "canceled"
