"""Conditional orders that stand at the exchange when the bot starts keep their trigger."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt.async_support
import pytest

from backend.bridge.octobot.order_rows import Condition, condition_of
from tests.bridge.live_bridge import BTC, wait_until
from tests.exchanges.exchange import FILE, NAME, OfflineExchange
from tests.exchanges.offline_bridge import OfflineBridge
from tests.waiting import shutting_down

D = Decimal
TYPES = {
    "stop_loss": ("market", None, {"stopLossPrice": 35_000}),
    "stop_limit": ("limit", 34_900, {"stopLossPrice": 35_000}),
    "take_profit": ("market", None, {"takeProfitPrice": 45_000}),
    "take_profit_limit": ("limit", 45_100, {"takeProfitPrice": 45_000}),
}


def place_elsewhere(orders: dict[str, tuple[str, int | None, dict[str, int]]]) -> list[str]:
    """Place sell orders with another client than the bot's; return their ids."""

    async def place() -> list[str]:
        client = getattr(ccxt.async_support, NAME)({"apiKey": "k", "secret": "s"})
        return [
            (await client.create_order(BTC, kind, "sell", 0.1, price, params))["id"]
            for kind, price, params in orders.values()
        ]

    return asyncio.run(place())


@pytest.mark.parametrize("told_as", ["plain", "named"])
def test_their_type_and_trigger_are_told_after_the_start(tmp_path: Path, told_as: str) -> None:
    deposits = {"USDT": "100000", "BTC": "1"}
    OfflineExchange.create(tmp_path / FILE, deposits=deposits, trigger_types=told_as).install()
    place_elsewhere(TYPES)
    with shutting_down(OfflineBridge(tmp_path)) as live:
        live.boot()
        assert wait_until(lambda: len(live.orders(status="open")) == len(TYPES))
        told = {order["type"]: order for order in live.orders(status="open")}
        assert set(told) == set(TYPES)
        for kind, (_, price, trigger) in TYPES.items():
            (stop_price,) = trigger.values()
            assert D(told[kind]["stop_price"]) == stop_price
            assert told[kind]["price"] == (None if price is None else str(price))
        before = live.orders(status="open")
        live.place(symbol=BTC, quantity="0.01")  # OctoBot polls the open orders meanwhile
        live.settle()
        assert live.orders(status="open") == before
        live.exchange.set_price(BTC, 34_000)
        stop = next(order["id"] for order in before if order["type"] == "stop_loss")
        assert live.settled(stop).filled == D("0.1")


def row(**fields: Any) -> dict[str, Any]:
    return {"symbol": BTC, "side": "sell", "type": "market", "price": None, **fields}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"triggerPrice": "0", "stopPrice": None}, None),
        ({"triggerPrice": 35_000}, Condition("stop_loss", D(35_000))),
        ({"triggerPrice": 45_000}, Condition("take_profit", D(45_000))),
        ({"stopPrice": 45_000, "side": "buy"}, Condition("stop_loss", D(45_000))),
        ({"stopPrice": 35_000, "side": "buy"}, Condition("take_profit", D(35_000))),
        (
            {"triggerPrice": 45_000, "type": "limit", "price": 45_100},
            Condition("take_profit_limit", D(45_000)),
        ),
        (
            {"triggerPrice": 45_000, "takeProfitPrice": 45_000, "stopLossPrice": None},
            Condition("take_profit", D(45_000)),
        ),
        ({"stopPrice": 35_000, "type": "stop_loss_limit"}, Condition("stop_limit", D(35_000))),
        (
            {"triggerPrice": 35_000, "type": "take_profit_market"},
            Condition("take_profit", D(35_000)),
        ),
        ({"triggerPrice": 35_000, "symbol": "NO/PRICE"}, Condition("stop_loss", D(35_000))),
    ],
)
def test_a_row_is_read_by_its_fields_its_type_and_the_price(fields, expected):
    prices = {BTC: D(40_000)}
    assert condition_of(row(**fields), prices.get) == expected
