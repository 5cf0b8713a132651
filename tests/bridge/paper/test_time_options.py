"""Time in force, post-only and an end for paper orders."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from backend.errors import PriceWouldTakeAtOnce, ValidUntilPassed
from backend.schemas.common import utc_now
from backend.schemas.order_commands import OrderChange
from tests.bridge.live_bridge import LiveBridge, new_order
from tests.waiting import wait_until

D = Decimal
SOON_S = 1.0
LATER_S = 3_600


def ends_in(seconds: float) -> Any:
    return utc_now() + timedelta(seconds=seconds)


@pytest.mark.parametrize("time_in_force", ["IOC", "FOK"])
@pytest.mark.parametrize(
    ("price", "status", "filled"), [("40000", "filled", "0.1"), ("39999", "canceled", "0")]
)
def test_an_order_that_ends_at_once_fills_or_is_canceled(
    bot: LiveBridge, time_in_force: str, price: str, status: str, filled: str
) -> None:
    order = bot.place(type="limit", quantity="0.1", price=price, time_in_force=time_in_force)
    assert (order.status, order.filled) == (status, D(filled))
    assert (order.time_in_force, order.remaining) == (time_in_force, D("0.1") - D(filled))
    bot.settle()
    assert bot.locked() == {}
    assert bot.orders() == []


def test_a_post_only_order_rests_or_is_refused(bot: LiveBridge) -> None:
    refused = new_order(type="limit", price="40000", post_only=True)
    with pytest.raises(PriceWouldTakeAtOnce, match="the price is 40000"):
        bot.bridge.orders.create(refused)
    assert [row.type for row in bot.bridge.orders.preview(refused).refusals] == [
        "price_would_take_at_once"
    ]
    order = bot.place(type="limit", price="39999.99", post_only=True)
    assert (order.status, order.post_only) == ("open", True)


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "stop_loss", "stop_price": "39000", "time_in_force": "IOC"},
        {"type": "market", "post_only": True},
        {"type": "limit", "price": "39000", "time_in_force": "FOK", "post_only": True},
        {"type": "limit", "price": "39000", "time_in_force": "DAY"},
        {"type": "market", "valid_until": "2999-01-01T00:00:00Z"},
        {"type": "limit", "price": "39000", "valid_until": "2999-01-01T00:00:00"},
    ],
)
def test_options_that_do_not_fit_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        new_order(**fields)


def test_an_end_in_the_past_is_refused(bot: LiveBridge) -> None:
    with pytest.raises(
        ValidUntilPassed, match=r"valid_until: 2020-01-01T00:00:00\.000Z has passed"
    ):
        bot.place(type="limit", price="39000", valid_until="2020-01-01T00:00:00Z")


def test_an_order_expires_at_its_end(bot: LiveBridge) -> None:
    mark, end = bot.mark(), ends_in(SOON_S)
    order = bot.place(type="limit", quantity="0.1", price="39000", valid_until=end)
    assert (order.status, order.valid_until) == ("open", end)
    assert bot.settled(order.id, "expired").updated_at >= end
    bot.settle()
    assert bot.locked() == {}
    assert bot.sink.story(mark)[:2] == ["order_created", "order_canceled"]


def test_an_end_can_be_moved(bot: LiveBridge) -> None:
    order = bot.place(type="limit", price="39000", valid_until=ends_in(LATER_S))
    changed = bot.bridge.orders.change(order.id, OrderChange(valid_until=ends_in(SOON_S)))
    assert changed.order.price == 39_000
    bot.settled(order.id, "expired")
    first, later = ends_in(SOON_S), ends_in(LATER_S)
    other = bot.place(type="limit", price="39000", valid_until=first)
    bot.bridge.orders.change(other.id, OrderChange(valid_until=later))
    assert wait_until(lambda: utc_now() > first + timedelta(seconds=0.1))
    assert bot.bridge.orders.get(other.id).valid_until == later
    assert bot.bridge.orders.get(other.id).status == "open"


def test_a_stop_and_an_entry_with_exits_expire_too(bot: LiveBridge) -> None:
    end = ends_in(SOON_S)
    stop = bot.place(side="sell", type="stop_loss", stop_price="39000", valid_until=end)
    exits = {"take_profit": {"price": "41000"}, "stop_loss": {"stop_price": "38000"}}
    entry = bot.place(type="limit", price="39000", valid_until=end, **exits)
    for order in (stop, entry):
        bot.settled(order.id, "expired")
    assert bot.orders() == []
