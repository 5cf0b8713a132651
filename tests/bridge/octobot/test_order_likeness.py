"""Orders that only their likeness tells among an exchange's rows."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from backend.bridge.octobot.order_likeness import Likeness
from backend.bridge.orders.factory import new_order
from backend.ports.order_tracking import UNTRACKED, OrderTracking
from backend.schemas.orders import NewOrder, Order

BTC = "BTC/USDT"


@pytest.fixture
def order() -> Order:
    asked = NewOrder(symbol=BTC, side="buy", type="limit", quantity="0.2", price="39000")
    return new_order(asked, "our-id", "kraken")


def row(ours: Order, **changes: Any) -> dict[str, Any]:
    """A row of an order like ours, a second later, with Kraken's client order id of all."""
    return {
        "id": "OX1",
        "clientOrderId": "0",
        "symbol": BTC,
        "side": "buy",
        "amount": 0.2,
        "price": "39000.0",
        "triggerPrice": None,
        "timestamp": ms(ours.created_at + timedelta(seconds=1)),
        **changes,
    }


def ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def find(order: Order, *rows: dict[str, Any], tracking: OrderTracking = UNTRACKED) -> str | None:
    found = Likeness(order, tracking, lambda exchange_id: exchange_id == "taken").find(rows)
    return None if found is None else found["id"]


def test_the_order_is_known_by_what_it_is(order: Order) -> None:
    assert find(order, row(order)) == "OX1"


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "taken"},
        {"clientOrderId": "someone-else"},
        {"side": "sell"},
        {"amount": 0.21},
        {"amount": None},
        {"price": 38_999},
        {"symbol": "ETH/USDT"},
        {"timestamp": None},
        {"timestamp": ms(datetime(2020, 1, 1, tzinfo=timezone.utc))},
        {"timestamp": ms(datetime.now(timezone.utc) + timedelta(hours=6))},
    ],
)
def test_another_order_is_not_taken_for_it(order: Order, changes: dict[str, Any]) -> None:
    assert find(order, row(order, **changes)) is None


def test_of_two_alike_the_first_is_taken(order: Order) -> None:
    later = row(order, id="OX2", timestamp=ms(order.created_at + timedelta(seconds=9)))
    assert find(order, later, row(order)) == "OX1"


def test_a_triggered_stop_may_be_sent_much_later(order: Order) -> None:
    late = row(order, timestamp=ms(order.created_at + timedelta(hours=3)))
    assert find(order, late) is None
    assert find(order, late, tracking=OrderTracking(sending="begun")) == "OX1"


def test_a_filled_order_is_found_in_its_trades(order: Order) -> None:
    first, second, other = (
        {**row(order, id=f"t{n}", order="OX7"), "amount": a, "price": p, "cost": None}
        for n, a, p in (("1", "0.05", "38990"), ("2", "0.15", "39000"), ("3", "0.2", "39000"))
    )
    other["order"] = "taken"
    found = Likeness(order, UNTRACKED, lambda each: each == "taken").find_filled(
        [first, second, other]
    )
    assert found is not None
    assert (found["id"], found["status"], found["filled"]) == ("OX7", "closed", Decimal("0.2"))
    assert found["cost"] == Decimal("0.05") * 38_990 + Decimal("0.15") * 39_000
    assert found["average"] == found["cost"] / found["filled"]


def test_trades_of_a_part_do_not_tell_an_order(order: Order) -> None:
    part = {**row(order, id="t1", order="OX7"), "amount": "0.05"}
    assert Likeness(order, UNTRACKED, lambda _: False).find_filled([part]) is None
