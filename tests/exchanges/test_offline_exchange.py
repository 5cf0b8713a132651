"""The offline exchange itself, with a bot on it: real and paper money, spot and contracts."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import ccxt.async_support
import pytest

from tests.bridge.live_bridge import BTC, wait_until
from tests.exchanges.errors import PARSER_ERRORS, ccxt_errors
from tests.exchanges.exchange import NAME, OfflineExchange
from tests.exchanges.listings import CONTRACTS, LINEAR, NO_LIMITS, ODD_NAMES, SPOT, TINY_TICK
from tests.exchanges.offline_bridge import OfflineBridge
from tests.waiting import shutting_down

D = Decimal


@pytest.fixture
def exchange(tmp_path: Path) -> OfflineExchange:
    return OfflineExchange.create(tmp_path / "offline.json")


@pytest.fixture
async def _nothing() -> None: ...


@pytest.fixture
def make(tmp_path: Path) -> Iterator[ccxt.async_support.Exchange]:
    def make(**switches):
        listings = (*SPOT, *CONTRACTS, TINY_TICK, NO_LIMITS, *ODD_NAMES)
        file = tmp_path / "offline.json"
        made = OfflineExchange.create(file, listings=listings, **switches).install()
        client = getattr(ccxt.async_support, NAME)({"apiKey": "k", "secret": "s"})
        return made, client

    return make


def run(coroutine):
    """Run a coroutine of a client that opens no connection."""
    import asyncio

    return asyncio.run(coroutine)


def test_a_limit_order_is_executed_in_parts_and_expires(make):
    exchange, client = make(fee="several")

    async def trade():
        order = await client.create_order(BTC, "limit", "buy", 0.2, 39_000, {"clientOrderId": "a"})
        exchange.fill("a", "0.05")
        exchange.end("a", "expired")
        found = await client.fetch_order(order["id"], BTC)
        trades = await client.fetch_my_trades(BTC)
        return found, trades

    order, trades = run(trade())
    assert (order["status"], order["filled"], order["average"]) == ("expired", 0.05, 39_000)
    assert [row["order"] for row in trades] == [order["id"]]
    fees = {fee["currency"]: fee["cost"] for fee in trades[0]["fees"]}
    assert fees == {"BTC": 0.000025, "BNB": 0.00195}
    assert exchange.balances()["USDT"] == (D(998_050), D(998_050))


def test_a_market_order_is_several_trades_at_several_prices(make):
    exchange, client = make(parts=["0.5", "0.3", "0.2"], part_slippage="0.01")
    order = run(client.create_order(BTC, "market", "buy", 0.1))
    assert [(e.amount, e.price) for e in exchange.executions(order["id"])] == [
        (D("0.05"), D(40_000)),
        (D("0.03"), D(40_400)),
        (D("0.02"), D(40_800)),
    ]
    assert order["status"] == "closed"


def test_a_row_may_tell_neither_average_nor_status_nor_client_order_id(make):
    _, client = make(
        average_told="in_answers",
        slippage_limit="0.05",
        told_statuses={"closed": None},
        client_ids="zero",
    )

    async def trade():
        answer = await client.create_order(BTC, "market", "buy", 0.1)
        return answer, await client.fetch_order(answer["id"], BTC)

    answer, later = run(trade())
    assert (answer["average"], later["average"], later["price"]) == (40_000, None, 42_000)
    assert (later["status"], later["clientOrderId"]) == (None, "0")


def test_contracts_are_told_in_contracts(make):
    exchange, client = make()

    async def trade():
        await client.create_order(LINEAR.symbol, "market", "buy", 5)
        return await client.fetch_positions()

    (position,) = run(trade())
    assert (position["contracts"], position["contractSize"], position["notional"]) == (
        5,
        0.01,
        2_000,
    )
    exchange.set_price(LINEAR.symbol, 41_000)
    order = run(client.create_order(LINEAR.symbol, "market", "sell", 5))
    assert order["cost"] == 2_050
    assert exchange.state().positions[LINEAR.symbol].realized == 50


@pytest.mark.parametrize("error", [*ccxt_errors(), *PARSER_ERRORS])
@pytest.mark.parametrize("after", [False, True])
def test_every_error_comes_before_or_after_acceptance(make, error, after):
    exchange, client = make()
    exchange.fail("create_order", error, after=after, times=1)

    async def trade():
        with pytest.raises(Exception, match="offline") as raised:
            await client.create_order(BTC, "market", "buy", 0.1)
        assert raised.type.__name__ == error
        return len(await client.fetch_orders(BTC))

    assert run(trade()) == int(after)


def test_polls_may_be_late_doubled_and_reordered(make):
    exchange, client = make(late_polls=1)

    async def poll():
        first = await client.fetch_open_orders(BTC)
        await client.create_order(BTC, "limit", "buy", 0.1, 30_000)
        late = await client.fetch_open_orders(BTC)
        exchange.behave(late_polls=0, doubled_rows=True)
        return len(first), len(late), len(await client.fetch_open_orders(BTC))

    assert run(poll()) == (0, 0, 2)


def test_a_restart_of_everything_finds_the_same_state(make, tmp_path):
    exchange, client = make()
    run(client.create_order(BTC, "limit", "buy", 0.1, 30_000))
    exchange.flow("USDT", -500)
    again = OfflineExchange(tmp_path / "offline.json")
    assert again.state() == exchange.state()


def test_a_bot_trades_there_with_real_money(tmp_path):
    with shutting_down(OfflineBridge(tmp_path)) as live:
        live.boot()
        order = live.place(type="limit", quantity="0.2", price="39000")
        assert live.exchange.order(order.id).status == "open"
        live.set_price(BTC, 38_000)
        live.settled(order.id)
        live.place(side="sell", quantity="0.1")
        assert wait_until(lambda: live.balances_told() == live.exchange.balances())


def test_a_bot_trades_there_with_paper_money(tmp_path):
    paper = {"trading": "paper", "paper_balance": {"USDT": D(10_000)}}
    with shutting_down(OfflineBridge(tmp_path, settings=paper)) as live:
        live.boot()
        order = live.place(type="limit", quantity="0.1", price="39000")
        live.set_price(BTC, 38_000)
        live.settled(order.id)
        assert live.exchange.orders() == []


def test_a_bot_trades_contracts_there(tmp_path):
    settings = {"exchange_type": "future", "symbols": (LINEAR.symbol,)}
    with shutting_down(OfflineBridge(tmp_path, settings=settings, listings=CONTRACTS)) as live:
        live.boot()
        live.place(symbol=LINEAR.symbol, quantity="1")
        assert wait_until(lambda: live.exchange.state().positions)
