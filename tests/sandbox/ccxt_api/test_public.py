"""The sandbox's public ccxt endpoints and websocket streams."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal

import ccxt
import ccxt.async_support
import ccxt.pro
import pytest
from ccxt.base.errors import ExchangeClosedByUser

from backend.sandbox import Market, install
from tests.sandbox.conftest import Clock
from tests.waiting import wait_until

BTC = "BTC/USDT"


@pytest.fixture
def client(market):
    install(market)
    return ccxt.async_support.sandbox()


@pytest.fixture
def streams():
    market = Market(seed=7)
    install(market)
    return ccxt.pro.sandbox()


def call(coroutine):
    return asyncio.run(coroutine)


def test_markets_carry_the_listing_rules(client, market):
    markets = call(client.load_markets())
    assert set(markets) == set(market.listings)
    btc = markets[BTC]
    assert btc["precision"]["price"] == 2
    assert btc["precision"]["amount"] == 5
    assert btc["limits"]["cost"]["min"] == 5
    assert btc["limits"]["amount"] == {"min": 0.00001, "max": 2000}
    assert (btc["maker"], btc["taker"], btc["active"], btc["spot"]) == (0.001, 0.001, True, True)
    assert client.price_to_precision(BTC, 50000.129) == "50000.13"
    assert client.amount_to_precision(BTC, 0.123456789) == "0.12345"


def test_ccxt_sees_what_the_market_says(client, market):
    ticker = call(client.fetch_ticker(BTC))
    assert ticker["last"] == float(market.price(BTC))
    assert ticker["bid"] < ticker["last"] < ticker["ask"]
    assert ticker["percentage"] == pytest.approx(100 * (ticker["last"] / ticker["open"] - 1))
    assert set(call(client.fetch_tickers([BTC]))) == {BTC}
    assert set(call(client.fetch_tickers())) == set(market.listings)
    assert call(client.fetch_ohlcv(BTC, "1h", limit=2))[-1][4] == ticker["last"]
    trade = call(client.fetch_trades(BTC, limit=1))[0]
    assert trade["price"] == ticker["last"]
    assert trade["cost"] == pytest.approx(trade["price"] * trade["amount"])
    book = call(client.fetch_order_book(BTC, limit=5))
    assert len(book["bids"]) == len(book["asks"]) == 5
    assert book["bids"][0][0] < ticker["last"] < book["asks"][0][0]
    assert call(client.fetch_time()) == client.milliseconds() == market.now_ms()
    assert call(client.fetch_status())["status"] == "ok"
    assert {"BTC", "ETH", "USDT"} <= set(call(client.fetch_currencies()))


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (lambda client: client.fetch_ticker("BTC/GBP"), ccxt.BadSymbol),
        (lambda client: client.fetch_ohlcv(BTC, "7m"), ccxt.BadRequest),
        (lambda client: client.fetch("https://example.org"), ccxt.NotSupported),
        (lambda client: client.withdraw("BTC", 1, "address"), ccxt.NotSupported),
        (lambda client: client.fetch_positions(), ccxt.AuthenticationError),
        (lambda client: client.set_position_mode(True), ccxt.NotSupported),
        (lambda client: client.fetch_deposit_address("BTC"), ccxt.NotSupported),
    ],
)
def test_what_the_sandbox_has_not_is_refused_as_exchanges_do(client, request_, error):
    with pytest.raises(error):
        call(request_(client))


def test_a_second_installation_replaces_the_first():
    first, second = Market(seed=1, clock=Clock()), Market(seed=2, clock=Clock())
    install(first)
    old = ccxt.async_support.sandbox()
    install(second)
    new = ccxt.async_support.sandbox()
    assert call(old.fetch_ticker(BTC))["last"] == float(first.price(BTC))
    assert call(new.fetch_ticker(BTC))["last"] == float(second.price(BTC))
    for module in (ccxt, ccxt.async_support, ccxt.pro):
        assert module.exchanges.count("sandbox") == 1
    assert ccxt.sandbox().id == "sandbox"


def test_watched_trades_come_without_gap_or_repeat(streams):
    async def watch():
        batches = [await streams.watch_trades(BTC) for _ in range(6)]
        await streams.close()
        return [trade["timestamp"] for batch in batches for trade in batch]

    times = call(watch())
    assert times == list(range(times[0], times[-1] + 1, 250))


def test_a_steered_price_is_watched_at_once(streams):
    async def watch():
        await streams.watch_trades(BTC)
        threading.Timer(0.02, streams.market_data.move, (BTC, Decimal(1234))).start()
        while (await streams.watch_trades(BTC))[-1]["price"] != 1234:
            pass
        moved_at = streams.market_data.now_ms()
        trade = streams.market_data.trades(BTC, limit=4)
        await streams.close()
        return moved_at - next(row.time_ms for row in trade if row.price == 1234)

    assert call(watch()) < 100


def test_a_closed_candle_is_watched_to_its_end(streams, monkeypatch):
    async def watch():
        first = await streams.watch_ohlcv(BTC, "1m")
        clock.now += 60
        both = await streams.watch_ohlcv(BTC, "1m")
        await streams.close()
        return first, both

    clock = Clock()
    market = Market(clock=clock)
    install(market)
    streams = ccxt.pro.sandbox()
    first, both = call(watch())
    assert [row[0] for row in both] == [first[0][0], first[0][0] + 60_000]
    assert [[row[0], row[4]] for row in both] == [
        [candle.time_ms, float(candle.close)] for candle in market.candles(BTC, "1m", limit=2)
    ]


def test_closing_a_stream_frees_who_waits_and_it_can_be_opened_again(streams):
    async def watch():
        await streams.watch_ticker(BTC)
        waiting = asyncio.create_task(streams.watch_ohlcv(BTC, "1d"))
        await asyncio.sleep(0.01)
        await streams.close()
        with pytest.raises(ExchangeClosedByUser):
            await waiting
        book = await streams.watch_order_book(BTC)
        await streams.close()
        return book

    assert call(watch())["symbol"] == BTC


def test_many_threads_read_one_market():
    market, failures = Market(seed=5), []

    def read():
        try:
            for _ in range(30):
                market.candles("ETH/BTC", "1h", limit=50)
                market.book("ETH/BTC")
                market.trades(BTC)
        except Exception as failure:
            failures.append(failure)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for n in range(20):
        market.move("ETH/USDT", Decimal(2000 + n))
    assert wait_until(lambda: not any(thread.is_alive() for thread in threads), 60)
    assert failures == []


def test_public_trades_are_as_ccxt_would_make_them(client):
    call(client.load_markets())
    for symbol in ("BTC/USDT", "ETH/BTC", "DOGE/USDT", "BTC/USDT:USDT"):
        for trade in call(client.fetch_trades(symbol, limit=3)):
            raw = {**trade, "price": str(trade["price"]), "amount": str(trade["amount"])}
            for derived in ("cost", "fee", "fees"):
                del raw[derived]
            assert client.safe_trade(raw, client.market(symbol)) == trade
