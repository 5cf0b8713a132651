"""The routes of positions over HTTP, what they refuse, and what a spot exchange answers."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal as D
from typing import Any

import pytest
from flask import Flask

from tests.api_client import ApiClient, running_backend
from tests.bridge.live_bridge import wait_until

BTC = "BTC-USDT:USDT"


@pytest.fixture(scope="module")
def futures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """The whole backend on a futures account."""
    with running_backend(
        tmp_path_factory.mktemp("home"),
        exchange_type="future",
        symbols=("BTC/USDT:USDT", "ETH/USDT:USDT"),
        paper_balance={"USDT": D(100_000)},
    ) as app:
        yield app


@pytest.fixture
def trader(futures: Flask) -> ApiClient:
    client = ApiClient(futures).as_trader()
    pin(client, "40000")
    for position in client.get("/positions"):
        client.post(f"/positions/{position['symbol'].replace('/', '-')}/close", json={}, expect=201)
    return client


def pin(client: ApiClient, price: str) -> None:
    client.as_admin().put(f"/sandbox/prices/{BTC}", json={"price": price, "hold": True})
    shown = f"/positions/{BTC}"
    assert wait_until(lambda: client.get(shown)["mark_price"] == price)


def trade(client: ApiClient, side: str, quantity: str) -> Any:
    body = {"symbol": BTC, "side": side, "type": "market", "quantity": quantity}
    return client.post("/orders", json=body, expect=201)


def test_a_position_is_listed_shown_and_closed(trader: ApiClient) -> None:
    assert trader.get("/positions") == []
    trader.patch(f"/positions/{BTC}", json={"leverage": 10})
    trade(trader, "buy", "0.5")

    (position,) = trader.get("/positions?symbol=btc-usdt:usdt&side=long")
    assert position == trader.get(f"/positions/{BTC}")
    assert {key: position[key] for key in ("exchange", "symbol", "side", "quantity")} == {
        "exchange": "sandbox",
        "symbol": "BTC/USDT:USDT",
        "side": "long",
        "quantity": "0.5",
    }
    assert (position["margin"], position["liquidation_price"]) == ("2000", "36400")
    assert trader.get("/positions?side=short") == []
    assert [row["side"] for row in trader.get("/positions?status=all")] == ["long", None]

    response = trader.send("POST", f"/positions/{BTC}/close", json={"quantity": "0.2"})
    order = response.get_json()["data"]
    assert response.status_code == 201
    assert response.headers["Location"] == f"/api/v1/orders/{order['id']}"
    assert (order["side"], order["quantity"], order["reduce_only"]) == ("sell", "0.2", True)
    assert trader.get(f"/positions/{BTC}")["quantity"] == "0.3"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"quantity": "0"}, "quantity"),
        ({"quantity": "-1"}, "quantity"),
        ({"quantity": "NaN"}, "quantity"),
        ({"quantity": "1" * 31}, "quantity"),
        ({"type": "limit"}, "price"),
        ({"price": "40000"}, "price"),
        ({"type": "stop_loss"}, "type"),
        ({"tag": "ünïcode"}, "tag"),
        ({"exchange": "../x"}, "exchange"),
        ({"side": "sell"}, "side"),
    ],
)
def test_a_close_that_makes_no_sense_is_refused_by_name(
    trader: ApiClient, body: dict[str, Any], field: str
) -> None:
    trade(trader, "buy", "0.1")
    problem = trader.post(f"/positions/{BTC}/close", json=body, expect=400)
    assert [row["field"] for row in problem["fields"]] == [field]
    assert trader.get(f"/positions/{BTC}")["quantity"] == "0.1"


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({}, 400, "validation_error"),
        ({"leverage": 0}, 400, "validation_error"),
        ({"leverage": 2.5}, 400, "validation_error"),
        ({"leverage": "5"}, 400, "validation_error"),
        ({"margin_mode": "hedged"}, 400, "validation_error"),
        ({"leverage": 51}, 422, "leverage_out_of_range"),
        ({"margin_mode": "cross"}, 409, "position_open"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    trader: ApiClient, body: dict[str, Any], status: int, kind: str
) -> None:
    trade(trader, "buy", "0.1")
    before = trader.get(f"/positions/{BTC}")
    assert trader.patch(f"/positions/{BTC}", json=body, expect=status)["type"] == kind
    assert trader.get(f"/positions/{BTC}") == before


def test_other_symbols_and_empty_positions_are_named(trader: ApiClient) -> None:
    assert trader.get("/positions/DOGE-USDT:USDT", expect=400)["type"] == "invalid_symbol"
    assert trader.get("/positions/nonsense", expect=400)["type"] == "validation_error"
    problem = trader.post(f"/positions/{BTC}/close", json={}, expect=409)
    assert problem["type"] == "position_not_open"


def test_a_viewer_sees_positions_and_changes_none(futures: Flask, trader: ApiClient) -> None:
    viewer = ApiClient(futures).as_viewer()
    trade(trader, "buy", "0.1")
    assert len(viewer.get("/positions")) == 1
    assert viewer.post(f"/positions/{BTC}/close", json={}, expect=403)["type"] == "forbidden"
    assert (
        viewer.patch(f"/positions/{BTC}", json={"leverage": 2}, expect=403)["type"] == "forbidden"
    )


def test_profit_and_loss_of_a_short_position_closed_in_parts(trader: ApiClient) -> None:
    before = trader.get(f"/trades/pnl?symbol={BTC}")
    trade(trader, "sell", "0.2")  # 8000, fee 8
    pin(trader, "39000")
    trader.post(f"/positions/{BTC}/close", json={"quantity": "0.1"}, expect=201)  # +100, fee 3.9
    pin(trader, "39500")

    after = trader.get(f"/trades/pnl?symbol={BTC}")

    (symbol,) = after["symbols"]
    assert (symbol["quantity"], symbol["entry_price"]) == ("-0.1", "40000")
    assert D(after["realized_pnl"]) - D(before["realized_pnl"]) == 100
    assert (symbol["unrealized_pnl"], symbol["unmatched_quantity"]) == ("50", "0")
    assert D(after["fees"]) - D(before["fees"]) == D("11.9")
    assert after["wins"] - before["wins"] == 1
    # the position's own figure has its fees in it
    assert trader.get(f"/positions/{BTC}")["realized_pnl"] == "88.1"


def test_past_events_tell_of_positions(trader: ApiClient) -> None:
    trade(trader, "buy", "0.1")
    trader.post(f"/positions/{BTC}/close", json={}, expect=201)

    def names() -> list[str]:
        rows = trader.get("/events?topics=positions&limit=500")
        return [row["event"] for row in rows]

    assert wait_until(lambda: names()[-2:] == ["position_opened", "position_closed"]), names()


def test_where_spot_is_traded_there_are_no_positions(client: ApiClient) -> None:
    trader = client.as_trader()
    assert trader.get("/positions?status=all") == []
    for problem in (
        trader.get("/positions/BTC-USDT", expect=409),
        trader.post("/positions/BTC-USDT/close", json={}, expect=409),
        trader.patch("/positions/BTC-USDT", json={"leverage": 2}, expect=409),
    ):
        assert problem["type"] == "exchange_type_is_spot"
        assert "BACKEND_EXCHANGE_TYPE" in problem["details"]
