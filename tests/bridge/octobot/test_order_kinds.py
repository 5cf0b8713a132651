"""Orders as OctoBot's simulator and its real trader get them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, cast

import pytest

from backend.bridge.octobot.client_order_ids import ClientOrderIds
from backend.bridge.octobot.exchange_orders import ExchangeOrders
from backend.bridge.octobot.order_abilities import OrderAbilities
from backend.bridge.octobot.order_kinds import LiveOrderMapping, PaperOrderMapping
from backend.bridge.orders.factory import new_order
from backend.schemas.orders import NewOrder, Order

MARKET_PRICE = Decimal(100)


class KnownTypes:
    """Orders of an exchange that knows some types."""

    def __init__(self, *kinds: str) -> None:
        self._kinds = kinds

    def supports(self, kind: str, _side: str) -> bool:
        return kind in self._kinds


def live_rules(*kinds: str) -> LiveOrderMapping:
    """Return the rules of an exchange that knows these types besides market and limit orders."""
    orders = cast(ExchangeOrders, KnownTypes("market", "limit", *kinds))
    return LiveOrderMapping(orders, ClientOrderIds("sandbox"), OrderAbilities(None))


def order(**fields: Any) -> Order:
    given = {"symbol": "BTC/USDT", "side": "buy", "quantity": 1, **fields}
    return new_order(NewOrder.model_validate(given), "an-id", "sandbox")


STOP_LIMIT = {"type": "stop_limit", "stop_price": 110, "price": 120}


def test_the_simulator_gets_a_limit_order_that_crosses_the_market_as_a_market_order() -> None:
    rules, limit = PaperOrderMapping(), order(type="limit", price=101)
    assert rules.kind(limit, is_marketable=True) == "market"
    assert rules.kind(limit, is_marketable=False) == "limit"


def test_an_exchange_gets_a_limit_order_that_crosses_the_market_as_it_is() -> None:
    assert live_rules().kind(order(type="limit", price=101), is_marketable=True) == "limit"


@pytest.mark.parametrize(
    ("given", "paper", "live"),
    [
        ("stop_loss", "stop_loss", "stop_loss"),
        ("stop_limit", "stop_loss", "stop_limit"),
        ("trailing_stop", "stop_loss", "stop_loss"),
        ("take_profit", "take_profit", "take_profit"),
        ("take_profit_limit", "take_profit", "take_profit_limit"),
    ],
)
def test_the_simulator_knows_fewer_types_of_stops(given: str, paper: str, live: str) -> None:
    limit = {"price": 120} if given.endswith("_limit") else {}
    stop = order(type=given, stop_price=110, **limit)
    assert PaperOrderMapping().kind(stop, is_marketable=False) == paper
    assert live_rules().kind(stop, is_marketable=False) == live


def test_a_stop_limit_goes_to_an_exchange_that_knows_it_at_its_limit_price() -> None:
    rules = live_rules("stop_limit")
    assert rules.price(order(**STOP_LIMIT), MARKET_PRICE) == 120
    assert rules.trigger_above(order(**STOP_LIMIT)) is None


@pytest.mark.parametrize(("side", "above"), [("buy", True), ("sell", False)])
def test_octobot_watches_a_stop_limit_that_the_exchange_does_not_know(
    side: str, above: bool
) -> None:
    watched = order(**STOP_LIMIT, side=side)
    assert live_rules().price(watched, MARKET_PRICE) == 110
    assert live_rules().trigger_above(watched) is above


def test_the_simulator_triggers_at_the_stop_price() -> None:
    assert PaperOrderMapping().price(order(**STOP_LIMIT), MARKET_PRICE) == 110
    assert PaperOrderMapping().trigger_above(order(**STOP_LIMIT)) is None


def test_only_an_exchange_is_told_the_client_order_id() -> None:
    market = order(type="market")
    assert live_rules().exchange_params(market) == {"clientOrderId": "an-id"}
    assert PaperOrderMapping().exchange_params(market) == {}
