"""Real money at an exchange that fails: every order ends as the exchange has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

import pytest

from backend.errors import ApiError, OrderStateUnknown
from backend.sandbox.matching.faults import Fault
from backend.schemas.order_commands import OrderChange
from backend.schemas.orders import Order
from tests.bridge.live_bridge import wait_until
from tests.recovery.real_trading import RealBridge
from tests.waiting import shutting_down

pytestmark = pytest.mark.long

AMBIGUOUS = ("order_state_unknown",)
# what a client is told of each fault when it hits the request for a new order
CREATES = {
    Fault.TIMEOUT_BEFORE: "order_state_unknown",
    Fault.TIMEOUT_AFTER: "order_state_unknown",
    Fault.DISCONNECTION: "order_state_unknown",
    Fault.REJECTION: "exchange_refused",
    Fault.NO_FUNDS: "insufficient_funds",
    Fault.RATE_LIMIT: "exchange_rate_limited",
    Fault.CLOCK_SKEW: "exchange_refused",
}


@pytest.fixture(scope="module")
def shared_bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealBridge]:
    with shutting_down(RealBridge(tmp_path_factory.mktemp("home"))) as real:
        real.boot()
        resting(real)  # the exchange begins to write
        yield real


@pytest.fixture
def real(shared_bridge: RealBridge) -> RealBridge:
    shared_bridge.ready()
    return shared_bridge


def resting(real: RealBridge, **fields: object) -> Order:
    return real.place(type="limit", quantity="0.1", price="20000", **fields)


def outcome(call: Callable[[], object]) -> str:
    """Return the type of the error that a call raises, or «done»."""
    try:
        call()
    except ApiError as error:
        return error.type
    return "done"


@pytest.mark.parametrize("fault", CREATES, ids=lambda fault: fault.name.lower())
def test_a_fault_in_a_create_is_told_and_ends_in_the_truth(real: RealBridge, fault: Fault) -> None:
    asked = {"type": "limit", "quantity": "0.1", "price": "20000", "client_order_id": fault.name}
    with real.fault(fault, "create_order"):
        error = real.refusal(**asked)
    assert error.type == CREATES[fault]
    placed = 1 if fault is Fault.TIMEOUT_AFTER else 0
    real.await_truth()
    mine = [o for o in real.orders(status="all") if o["client_order_id"] == fault.name]
    assert [o["status"] for o in mine if o["status"] != "rejected"] == ["open"] * placed
    assert sum(o["id"] in real.at_exchange() for o in mine) == placed
    again = outcome(lambda: real.place(**asked))
    assert again == ("done" if CREATES[fault] in AMBIGUOUS else error.type)
    assert sum(o["id"] in real.at_exchange() for o in mine) == placed


@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name.lower())
def test_a_fault_in_a_cancel_is_told_and_ends_in_the_truth(real: RealBridge, fault: Fault) -> None:
    order = resting(real)
    with real.fault(fault, "cancel_order"):
        told = outcome(lambda: real.bridge.orders.cancel(order.id))
    real.await_truth()
    status = real.bridge.orders.get(order.id).status
    assert status == ("canceled" if fault is Fault.TIMEOUT_AFTER else "open")
    assert told != "done" or status == "canceled"


@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name.lower())
def test_a_fault_in_an_edit_is_told_and_ends_in_the_truth(real: RealBridge, fault: Fault) -> None:
    order = resting(real)
    change = OrderChange(quantity="0.2")
    with real.fault(fault, "edit_order"):
        told = outcome(lambda: real.bridge.orders.change(order.id, change))
    real.await_truth()
    quantity = real.bridge.orders.get(order.id).quantity
    assert (quantity * 10) == (2 if fault is Fault.TIMEOUT_AFTER or told == "done" else 1)


UNSEEN = (None, Fault.TIMEOUT_AFTER, Fault.RATE_LIMIT)
"""Faults that keep the bot from seeing the state of an order that was just accepted."""


@pytest.fixture
def terse(real: RealBridge) -> Iterator[RealBridge]:
    """An exchange that answers with an order's id alone."""
    real.bridge.sandbox.faults.answers_id_only = True
    yield real
    real.bridge.sandbox.faults.clear()


def unseen(real: RealBridge, fault: Fault | None) -> AbstractContextManager[None]:
    return nullcontext() if fault is None else real.fault(fault, "fetch_order")


@pytest.mark.parametrize("fault", UNSEEN)
@pytest.mark.parametrize("kind", ["limit", "market"])
def test_an_order_that_was_taken_but_not_seen_is_not_called_refused(
    terse: RealBridge, fault: Fault | None, kind: str
) -> None:
    asked = {"type": kind, "quantity": "0.1", "client_order_id": f"{fault}-{kind}"}
    asked |= {"price": "20000"} if kind == "limit" else {}
    with unseen(terse, fault):
        told = outcome(lambda: terse.place(**asked))
    assert told == ("done" if fault is None else "order_state_unknown")
    terse.await_truth()
    (mine,) = terse.orders(status="all", client_order_id=asked["client_order_id"])
    assert mine["status"] == ("open" if kind == "limit" else "filled")
    assert str(terse.place(**asked).id) == mine["id"]
    terse.await_truth()


@pytest.mark.parametrize("fault", UNSEEN)
def test_a_change_that_was_taken_but_not_seen_is_found_again(
    terse: RealBridge, fault: Fault | None
) -> None:
    order = resting(terse)
    with unseen(terse, fault):
        told = outcome(lambda: terse.bridge.orders.change(order.id, OrderChange(quantity="0.2")))
    assert told == ("done" if fault is None else "order_state_unknown")
    terse.await_truth()
    assert terse.bridge.orders.get(order.id).quantity * 10 == 2


@pytest.mark.parametrize("fault", UNSEEN)
def test_a_cancel_that_was_taken_but_not_seen_has_canceled(
    terse: RealBridge, fault: Fault | None
) -> None:
    order = resting(terse)
    with unseen(terse, fault):
        told = outcome(lambda: terse.bridge.orders.cancel(order.id))
    assert told in (("done",) if fault is None else ("done", "order_state_unknown"))
    terse.await_truth()
    assert terse.bridge.orders.get(order.id).status == "canceled"


def test_an_exchange_slower_than_the_bot_is_waited_for_leaves_the_truth(real: RealBridge) -> None:
    order = resting(real)
    slow: AbstractContextManager[None] = real.latency()
    with slow:
        asked = {"type": "limit", "quantity": "0.3", "price": "20000", "client_order_id": "slow"}
        assert isinstance(real.refusal(**asked), OrderStateUnknown)
        assert outcome(lambda: real.bridge.orders.cancel(order.id)) == "order_state_unknown"
    real.await_truth()
    assert real.bridge.orders.get(order.id).status == "canceled"
    assert real.place(**asked).status == "open"
    assert [o["status"] for o in real.orders(client_order_id="slow")] == ["open"]


def test_a_restart_settles_what_became_of_an_order_whose_answer_got_lost(real: RealBridge) -> None:
    with real.fault(Fault.TIMEOUT_AFTER, "create_order"):
        error = real.refusal(type="limit", quantity="0.1", price="20000", client_order_id="lost")
        assert error.type == "order_state_unknown"
        real.bridge.bot.restart()
    real.ready()
    real.await_truth()
    (order,) = real.orders(status="all", client_order_id="lost")
    assert order["status"] == "open"
    assert real.bridge.orders.cancel(order["id"]).status == "canceled"
    real.await_truth()


def test_a_dead_man_switch_tries_again_what_the_exchange_does_not_cancel(real: RealBridge) -> None:
    order = resting(real)
    refused = ("sandbox", "cancel_order", "RateLimitExceeded")
    before = real.bridge.counters.exchange_errors[refused]
    with real.fault(Fault.RATE_LIMIT, "cancel_order"):
        real.bridge.dead_man_switch.set(1)
        assert wait_until(lambda: real.bridge.counters.exchange_errors[refused] > before)
        assert real.bridge.orders.get(order.id).status == "open"
    assert wait_until(lambda: real.orders() == [])
    assert real.bridge.orders.get(order.id).status == "canceled"
    real.await_truth()
