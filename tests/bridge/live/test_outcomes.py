"""Commands that end in any error are refused only when the exchange says so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from backend.errors import ApiError, OrderStateUnknown
from backend.schemas.order_commands import OrderChange
from backend.schemas.orders import Order
from tests.bridge.live_bridge import wait_until
from tests.exchanges.offline_bridge import OfflineBridge
from tests.waiting import shutting_down

UNKNOWN = (
    *("BadResponse", "NullResponse", "OperationFailed", "ExchangeError", "CancelPending"),
    *("RequestTimeout", "NetworkError", "ExchangeNotAvailable", "OnMaintenance"),
    *("TypeError", "KeyError", "ValueError"),
)
REFUSALS = {
    "InsufficientFunds": "insufficient_funds",
    "InvalidOrder": "exchange_refused",
    "OrderImmediatelyFillable": "exchange_refused",
    "BadRequest": "exchange_refused",
    "BadSymbol": "symbol_not_traded",
    "PermissionDenied": "exchange_authentication_failed",
    "AccountSuspended": "exchange_authentication_failed",
    "MarketClosed": "exchange_refused",
    "NotSupported": "exchange_refused",
    "InvalidNonce": "exchange_refused",
    "RateLimitExceeded": "exchange_rate_limited",
    "DDoSProtection": "exchange_rate_limited",
}


@pytest.fixture(scope="module")
def shared_bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OfflineBridge]:
    with shutting_down(OfflineBridge(tmp_path_factory.mktemp("home"))) as live:
        yield live.boot()


@pytest.fixture
def live(shared_bridge: OfflineBridge) -> Iterator[OfflineBridge]:
    yield shared_bridge.ready()
    shared_bridge.exchange.recover()
    shared_bridge.exchange.behave(client_ids="kept", lacks=())
    shared_bridge.cancel_all()


def outcome(live: OfflineBridge, **fields: Any) -> str:
    """Place an order that fails, and return the error's type."""
    try:
        live.place(type="limit", quantity="0.1", price="30000", tag="a-tag", **fields)
    except ApiError as error:
        return error.type
    return "done"


def only(live: OfflineBridge, client_order_id: str, status: str) -> dict[str, Any]:
    """Wait until the one order of this id stands so, and no stranger beside it."""

    def rows() -> list[dict[str, Any]]:
        return live.orders(status="all", client_order_id=client_order_id)

    assert wait_until(lambda: [row["status"] for row in rows()] == [status]), rows()
    return rows()[0]


def strangers(live: OfflineBridge) -> list[dict[str, Any]]:
    return [row for row in live.orders(status="all") if row["client_order_id"] is None]


@pytest.mark.parametrize(
    ("error", "client_ids"),
    [*((error, "kept") for error in UNKNOWN), ("KeyError", "zero"), ("KeyError", "prefixed")],
)
def test_an_accepted_order_keeps_its_ids_whatever_its_answer_was(
    live: OfflineBridge, error: str, client_ids: str
) -> None:
    name = f"{error}-{client_ids}"
    live.exchange.behave(client_ids=client_ids)
    live.exchange.fail("create_order", error, after=True, times=1)
    before = len(live.exchange.orders())
    assert outcome(live, client_order_id=name) == "order_state_unknown"
    found = only(live, name, "open")
    assert (found["tag"], found["quantity"], found["price"]) == ("a-tag", "0.1", "30000")
    assert len(live.exchange.orders()) == before + 1
    assert strangers(live) == []
    assert live.bridge.orders.cancel(found["id"]).status == "canceled"
    assert live.exchange.orders()[-1].status == "canceled"


@pytest.mark.parametrize("error", ["ExchangeError", "TypeError", "NullResponse"])
def test_an_order_that_never_arrived_is_unknown_first_and_rejected_then(
    live: OfflineBridge, error: str
) -> None:
    live.exchange.fail("create_order", error)
    before = len(live.exchange.orders())
    assert outcome(live, client_order_id=f"{error}-never") == "order_state_unknown"
    live.exchange.recover()
    only(live, f"{error}-never", "rejected")
    assert len(live.exchange.orders()) == before


@pytest.mark.parametrize("error", REFUSALS)
def test_a_refusal_is_told_at_once(live: OfflineBridge, error: str) -> None:
    live.exchange.fail("create_order", error)
    assert outcome(live, client_order_id=f"{error}-refused") == REFUSALS[error]
    live.exchange.recover()
    assert live.orders(status="all", client_order_id=f"{error}-refused") == []


@pytest.fixture
def resting(live: OfflineBridge) -> Order:
    name = f"resting-{len(live.exchange.orders())}"
    return live.place(type="limit", quantity="0.1", price="30000", client_order_id=name)


@pytest.mark.parametrize(
    ("error", "after"),
    [*((error, True) for error in UNKNOWN), ("KeyError", False), ("ExchangeError", False)],
)
def test_a_cancel_ends_as_the_exchange_has_it(
    live: OfflineBridge, resting: Order, error: str, after: bool
) -> None:
    live.exchange.fail("cancel_order", error, after=after, times=2)
    try:
        live.bridge.orders.cancel(resting.id)
        told = "done"
    except ApiError as failure:
        told = failure.type
    assert told in ("done", "order_state_unknown")
    status = live.exchange.order(resting.id).status
    assert status == ("canceled" if after else "open")
    live.settled(resting.id, status)
    assert told != "done" or status == "canceled"


@pytest.mark.parametrize("error", ["ExchangeError", "KeyError", "BadResponse"])
def test_a_change_ends_as_the_exchange_has_it(
    live: OfflineBridge, resting: Order, error: str
) -> None:
    live.exchange.fail("edit_order", error, after=True, times=1)
    live.exchange.fail("create_order", error, after=True, times=1)
    with pytest.raises(OrderStateUnknown):
        live.bridge.orders.change(resting.id, OrderChange(quantity="0.2"))
    live.exchange.recover()
    assert wait_until(lambda: str(live.bridge.orders.get(resting.id).quantity) == "0.2")
    live.settled(resting.id, "open")
    assert strangers(live) == []


def test_orders_that_all_have_the_same_client_id_are_told_apart(live: OfflineBridge) -> None:
    live.exchange.behave(client_ids="zero")
    live.exchange.fail("create_order", "RequestTimeout", after=True)
    asked = {"first": ("0.1", "30000"), "second": ("0.2", "30000"), "third": ("0.1", "31000")}
    for name, (quantity, price) in asked.items():
        with pytest.raises(OrderStateUnknown):
            live.place(type="limit", quantity=quantity, price=price, client_order_id=name)
    live.exchange.recover()
    for name, (quantity, price) in asked.items():
        found = only(live, name, "open")
        assert (found["quantity"], found["price"]) == (quantity, price)
    live.set_price("BTC/USDT", "30500")
    only(live, "third", "filled")
    only(live, "first", "open")
    live.set_price("BTC/USDT", "40000")
