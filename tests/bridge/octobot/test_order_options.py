"""Time options of orders at real exchanges, as ccxt describes them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import ccxt.async_support
import pytest

from backend.bridge.octobot.client_order_ids import ClientOrderIds
from backend.bridge.octobot.exchange_orders import ExchangeOrders
from backend.bridge.octobot.order_abilities import OrderAbilities
from backend.bridge.octobot.order_kinds import LiveOrderMapping
from backend.bridge.orders.factory import new_order
from backend.bridge.orders.intent_keys import new_intent
from backend.errors import OrderOptionNotSupported
from backend.schemas.orders import NewOrder

LIMIT = {"symbol": "BTC/USDT", "side": "buy", "type": "limit", "quantity": "1", "price": "100"}


class Manager:
    """As much of OctoBot's exchange manager as the options need: a ccxt client with a market."""

    trader = exchange_personal_data = exchange = connector = None

    def __init__(self, name: str) -> None:
        self.exchange_name = name
        self.exchange_personal_data = self.exchange = self.connector = self
        self.orders_manager = None
        self.client = getattr(ccxt.async_support, name)()
        market = {"id": "BTCUSDT", "symbol": "BTC/USDT", "type": "spot", "spot": True}
        market |= {"base": "BTC", "quote": "USDT", "subType": None}
        self.client.set_markets([self.client.safe_market_structure(market)])


@pytest.fixture
def mapping(request: pytest.FixtureRequest) -> Iterator[LiveOrderMapping]:
    manager: Any = Manager(request.param)
    yield LiveOrderMapping(
        ExchangeOrders(manager), ClientOrderIds(request.param), OrderAbilities(manager)
    )
    asyncio.run(manager.client.close())


def asked(**options: Any) -> NewOrder:
    return NewOrder.model_validate({**LIMIT, **options})


@pytest.mark.parametrize("mapping", ["binance", "okx", "kraken"], indirect=True)
@pytest.mark.parametrize(
    ("options", "params"),
    [
        ({}, {}),
        ({"time_in_force": "IOC"}, {"timeInForce": "IOC"}),
        ({"time_in_force": "FOK"}, {"timeInForce": "FOK"}),
        ({"post_only": True}, {"postOnly": True}),
    ],
)
def test_options_that_an_exchange_has_are_sent_in_their_unified_form(
    mapping: LiveOrderMapping, options: dict[str, Any], params: dict[str, Any]
) -> None:
    mapping.check_options(asked(**options))
    sent = mapping.exchange_params(new_order(asked(**options), "an-id", "an exchange"))
    assert {key: sent[key] for key in ("timeInForce", "postOnly") if key in sent} == params


@pytest.mark.parametrize(
    ("mapping", "options", "details"),
    [
        ("hyperliquid", {"time_in_force": "FOK"}, "time_in_force: hyperliquid takes no FOK orders"),
        (
            "bithumb",
            {"post_only": True},
            "post_only: bithumb takes no post-only orders in BTC/USDT",
        ),
        ("binance", {"valid_until": "2999-01-01T00:00:00Z"}, "valid_until: binance cannot end"),
    ],
    indirect=["mapping"],
)
def test_options_that_an_exchange_lacks_are_refused_with_its_name(
    mapping: LiveOrderMapping, options: dict[str, Any], details: str
) -> None:
    with pytest.raises(OrderOptionNotSupported, match=details):
        mapping.check_options(asked(**options))


def test_a_request_without_options_has_the_fingerprint_of_earlier_versions() -> None:
    keys: dict[str, Any] = {"account": "a", "user_id": "u", "idempotency_key": "k"}
    content = asked().model_dump(mode="json")
    options = ("time_in_force", "post_only", "valid_until")
    earlier = {name: value for name, value in content.items() if name not in options}
    prints = [
        new_intent(each, client_order_id=None, **keys).fingerprint
        for each in (content, earlier, asked(post_only=True).model_dump(mode="json"))
    ]
    assert prints[0] == prints[1] != prints[2]
