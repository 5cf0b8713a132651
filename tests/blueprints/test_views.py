"""Each resource over HTTP, with a bot behind it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.api_client import ApiClient

PRICE = "40000"
LIMIT = {"symbol": "BTC/USDT", "side": "buy", "type": "limit", "quantity": "0.01", "price": "39000"}


@pytest.fixture(autouse=True)
def _pinned(client: ApiClient) -> Iterator[None]:
    """Begin with a steady price, end without open orders."""
    client.as_admin().put("/sandbox/prices/BTC-USDT", json={"price": PRICE, "hold": True})
    trader = client.as_trader()
    eventually(lambda: trader.bots_price() == PRICE)
    yield
    for order in trader.get("/orders"):
        trader.delete(f"/orders/{order['id']}")


def eventually(condition: Callable[[], object]) -> None:
    """Wait for what follows from an event of the bot."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def amounts(client: ApiClient) -> dict[str, tuple[Decimal, Decimal]]:
    (exchange,) = client.get("/portfolio/balance")
    return {
        row["asset"]: (Decimal(row["total"]), Decimal(row["locked"]))
        for row in exchange["balances"]
    }


def test_a_market_order_fills_and_moves_what_it_should(client: ApiClient) -> None:
    trader = client.as_trader()
    before = amounts(trader)
    market = {"symbol": "BTC-USDT", "side": "buy", "type": "market", "quantity": 0.01}
    order = trader.post("/orders", json=market, expect=201)
    eventually(lambda: trader.get(f"/orders/{order['id']}")["status"] == "filled")
    (trade,) = trader.get("/trades/history", query_string={"limit": 1})
    after = amounts(trader)
    assert trade["order_id"] == order["id"]
    assert trader.get(f"/trades/{trade['id']}") == trade
    moved = {"BTC": Decimal("0.01"), "USDT": -Decimal(trade["cost"])}
    moved[trade["fee"]["currency"]] -= Decimal(trade["fee"]["cost"])
    assert Decimal(trade["fee"]["cost"]) > 0
    assert {asset: after[asset][0] - before[asset][0] for asset in moved} == moved


def test_an_order_rests_is_listed_and_is_canceled(client: ApiClient) -> None:
    trader = client.as_trader()
    response = trader.send("POST", "/orders", json=LIMIT)
    order = response.get_json()["data"]
    assert response.status_code == 201
    assert response.headers["Location"] == f"/api/v1/orders/{order['id']}"
    assert trader.get(response.headers["Location"])["status"] == "open"
    assert [row["id"] for row in trader.get("/orders?symbol=BTC-USDT")] == [order["id"]]
    assert amounts(trader)["USDT"][1] > 0
    assert trader.delete(f"/orders/{order['id']}")["status"] == "canceled"
    assert trader.get("/orders") == []
    assert amounts(trader)["USDT"][1] == 0
    assert trader.delete(f"/orders/{order['id']}", expect=409)["type"] == "order_not_open"


@pytest.mark.parametrize(
    ("change", "status", "kind"),
    [
        ({"symbol": "BTC/USD"}, 400, "invalid_symbol"),
        ({"symbol": "nonsense"}, 400, "validation_error"),
        ({"quantity": "0"}, 400, "validation_error"),
        ({"quantity": "-1"}, 400, "validation_error"),
        ({"quantity": "NaN"}, 400, "validation_error"),
        ({"quantity": "1e99"}, 400, "validation_error"),
        ({"quantity": "1" * 40}, 400, "validation_error"),
        ({"quantity": True}, 400, "validation_error"),
        ({"quantity": "0.01", "surprise": 1}, 400, "validation_error"),
        ({"price": None}, 400, "validation_error"),
        ({"quantity": "0.010001"}, 422, "quantity_off_step"),
        ({"quantity": "0.000001"}, 422, "quantity_below_minimum"),
        ({"quantity": "0.00001"}, 422, "cost_below_minimum"),
        ({"price": "39000.001"}, 422, "price_off_tick"),
        ({"quantity": "100"}, 422, "insufficient_funds"),
        ({"exchange": "elsewhere"}, 400, "invalid_exchange"),
    ],
)
def test_a_bad_order_is_refused_and_changes_nothing(
    client: ApiClient, change: dict[str, Any], status: int, kind: str
) -> None:
    trader = client.as_trader()
    before = amounts(trader)
    problem = trader.post("/orders", json=LIMIT | change, expect=status)
    assert problem["type"] == kind
    assert trader.get("/orders") == []
    assert amounts(trader) == before


def test_unknown_ids_are_404s(client: ApiClient) -> None:
    trader = client.as_trader()
    assert trader.get("/orders/nope", expect=404)["type"] == "order_not_found"
    assert trader.delete("/orders/nope", expect=404)["type"] == "order_not_found"
    assert trader.get("/trades/nope", expect=404)["type"] == "trade_not_found"


def test_a_cursor_from_elsewhere_is_refused(client: ApiClient) -> None:
    trader = client.as_trader()
    problem = trader.get("/orders?cursor=bm9uc2Vuc2U", expect=400)
    assert problem["type"] == "invalid_cursor"


def test_the_portfolio_adds_up(client: ApiClient) -> None:
    portfolio = client.as_viewer().get("/portfolio")
    (exchange,) = portfolio["exchanges"]
    values = [Decimal(row["value"]) for row in exchange["balances"]]
    assert portfolio["reference_market"] == "USDT"
    assert Decimal(portfolio["total_value"]) == sum(values)


def test_an_unchanged_answer_is_not_sent_again(client: ApiClient) -> None:
    trader = client.as_trader()
    trader.post("/orders", json=LIMIT, expect=201)
    first = trader.send("GET", "/orders")
    etag = first.headers["ETag"]
    for known in (etag, f'"other", W/{etag}', "*"):
        again = trader.send("GET", "/orders", headers={"If-None-Match": known})
        assert (again.status_code, again.data) == (304, b"")
        assert again.headers["ETag"] == etag
    for order in trader.get("/orders"):
        trader.delete(f"/orders/{order['id']}")
    changed = trader.send("GET", "/orders", headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != etag


@pytest.mark.parametrize("symbol", ["BTC-USDT", "BTC/USDT", "BTC%2FUSDT", "btc-usdt"])
def test_symbols_in_paths(client: ApiClient, symbol: str) -> None:
    viewer = client.as_viewer()
    ticker = viewer.get(f"/tickers/{symbol}")
    assert (ticker["symbol"], ticker["price"]) == ("BTC/USDT", PRICE)
    assert len(viewer.get(f"/candles/{symbol}?limit=3&interval=5m")) == 3
    book = viewer.get(f"/order-book/{symbol}?limit=2")
    assert Decimal(book["bids"][0]["price"]) < Decimal(book["asks"][0]["price"])


@pytest.mark.parametrize("path", ["/tickers/x", "/candles/BTC-", "/order-book/" + "A" * 70])
def test_what_is_no_symbol_names_the_field(client: ApiClient, path: str) -> None:
    problem = client.as_viewer().get(path, expect=400)
    assert problem["type"] == "validation_error"
    assert [field["field"] for field in problem["fields"]] == ["symbol"]


def test_exchanges_and_markets(client: ApiClient) -> None:
    viewer = client.as_viewer()
    (exchange,) = viewer.get("/exchanges")
    assert (exchange["id"], exchange["ready"], exchange["trading"]) == ("sandbox", True, "paper")
    markets = viewer.get("/markets?exchange=sandbox")
    assert "BTC/USDT" in [market["symbol"] for market in markets]
    tickers = viewer.get("/tickers?symbol=ETH-USDT")
    assert [ticker["symbol"] for ticker in tickers] == ["ETH/USDT"]
    assert viewer.get("/markets?exchange=nowhere", expect=400)["type"] == "invalid_exchange"


def test_the_configuration_is_merged_and_masked(client: ApiClient) -> None:
    admin = client.as_admin()
    patch = {"config": {"services": {"telegram": {"token": "a very secret token"}}}}
    response = admin.send(
        "PATCH", "/config", json=patch, headers={"Content-Type": "application/merge-patch+json"}
    )
    shown = response.get_json()["data"]
    assert response.status_code == 200
    assert shown["config"]["services"]["telegram"] == {"token": "********"}
    assert b"a very secret token" not in response.data
    assert admin.get("/config") == shown
    assert admin.patch("/config", json={}) == shown
    assert "config" in admin.get("/config/schema")["properties"]
    problem = admin.patch("/config", json={"config": {"exchanges": 5}}, expect=400)
    assert problem["type"] == "validation_error"
    assert admin.get("/config") == shown


def test_exchange_keys_do_not_get_into_octobots_files(client: ApiClient) -> None:
    admin = client.as_admin()
    before = admin.get("/config")
    patch = {"config": {"exchanges": {"sandbox": {"api-key": "a very secret key"}}}}
    problem = admin.patch("/config", json=patch, expect=400)
    assert [field["field"] for field in problem["fields"]] == ["config.exchanges.sandbox.api-key"]
    assert "a very secret key" not in str(problem)
    assert admin.get("/config") == before
    empty = {"config": {"exchanges": {"sandbox": {"api-key": "", "api-password": None}}}}
    assert (
        "api-password" not in admin.patch("/config", json=empty)["config"]["exchanges"]["sandbox"]
    )


def test_the_bot_is_paused_and_resumed(client: ApiClient) -> None:
    admin = client.as_admin()
    assert admin.post("/bot/pause")["state"] == "paused"
    problem = client.as_trader().post("/orders", json=LIMIT, expect=409)
    assert problem["type"] == "trading_paused"
    assert admin.post("/bot/pause", expect=409)["type"] == "conflict"
    assert admin.post("/bot/resume")["state"] == "running"
    assert admin.get("/bot")["versions"].keys() == {"backend", "octobot", "python"}


def test_the_bot_is_stopped_and_started_while_the_api_stays(client: ApiClient) -> None:
    admin = client.as_admin()
    assert admin.post("/bot/stop")["state"] == "stopped"
    response = admin.send("GET", "/readyz")
    problem = response.get_json()
    assert (response.status_code, problem["type"]) == (503, "bot_not_ready")
    assert "bot is stopped" in problem["details"]
    assert int(response.headers["Retry-After"]) >= 1
    assert admin.get("/portfolio", expect=503)["type"] == "bot_not_ready"
    assert admin.get("/healthz")["status"] == "ok"
    assert admin.post("/bot/stop", expect=409)["type"] == "conflict"
    admin.post("/bot/start", expect=202)
    eventually(lambda: admin.send("GET", "/readyz").status_code == 200)
    admin.post("/bot/restart", expect=202)
    eventually(lambda: admin.send("GET", "/readyz").status_code == 200)


def test_sandbox_prices_are_moved_and_released(client: ApiClient) -> None:
    admin = client.as_admin()
    told = admin.put("/sandbox/prices/ETH-USDT", json={"price": "1234.5", "hold": True})
    assert told == {"symbol": "ETH/USDT", "price": "1234.5", "held": True}
    eventually(lambda: admin.get("/tickers/ETH-USDT")["price"] == "1234.5")
    assert admin.delete("/sandbox/prices/ETH-USDT")["held"] is False
    eventually(lambda: admin.get("/tickers/ETH-USDT")["price"] != "1234.5")
    problem = admin.put("/sandbox/prices/NOPE-USDT", json={"price": "1"}, expect=400)
    assert problem["type"] == "invalid_symbol"
    client.as_trader().put("/sandbox/prices/ETH-USDT", json={"price": "1"}, expect=403)


def test_a_price_that_no_book_can_hold_is_refused(client: ApiClient) -> None:
    huge = {"price": "1000000000.01", "hold": True}
    problem = client.as_admin().put("/sandbox/prices/ETH-USDT", json=huge, expect=400)
    assert [field["field"] for field in problem["fields"]] == ["price"]
