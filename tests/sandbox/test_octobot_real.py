"""OctoBot in real trading on the sandbox exchange."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from decimal import Decimal

import pytest
from octobot_trading import api as trading_api
from octobot_trading.enums import TraderOrderType

from backend.sandbox import Fault, Market, MatchingEngine, install
from tests.sandbox.octobot_boot import Bot
from tests.sandbox.test_octobot_paper import place
from tests.waiting import wait_until

KEY = "key"
FUNDS = {KEY: {"USDT": Decimal(100_000), "BTC": Decimal(1)}}


@pytest.fixture
def market():
    return Market(seed=11)


@pytest.fixture
def engine(market, tmp_path):
    engine = MatchingEngine(market, FUNDS, file=tmp_path / "sandbox.json")
    install(market, engine)
    return engine


@pytest.fixture
def boot(engine, tmp_path):
    @contextmanager
    def boot():
        with Bot(tmp_path, ["BTC/USDT"], keys=(KEY, "secret")) as bot:
            # OctoBot 2.1.1 is ready before it knows its balances.
            assert wait_until(lambda: holdings(bot) == balances_at_exchange(engine))
            yield bot

    return boot


def holdings(bot):
    assets = trading_api.get_portfolio(bot.manager)
    return {asset: (value.available, value.total) for asset, value in assets.items()}


def balances_at_exchange(engine):
    balances = engine.account(KEY).balances
    return {
        asset: (balance.free, balance.free + balance.locked) for asset, balance in balances.items()
    }


def test_a_real_trader_trades_end_to_end(boot, engine, market):
    with boot() as bot:
        assert not bot.manager.trader.simulate
        order = bot.run(place(bot.manager, TraderOrderType.BUY_LIMIT, "0.9"))
        assert holdings(bot) == balances_at_exchange(engine)
        market.move("BTC/USDT", order.origin_price * Decimal("0.99"))
        assert wait_until(order.is_filled)
        sold = bot.run(place(bot.manager, TraderOrderType.SELL_MARKET, "1"))
        assert wait_until(sold.is_filled)
        assert wait_until(lambda: holdings(bot) == balances_at_exchange(engine))
        kept = bot.run(place(bot.manager, TraderOrderType.SELL_LIMIT, "1.2"))
        bot.run(bot.manager.trader.cancel_order(kept))
        assert engine.order(KEY, kept.exchange_order_id).status == "canceled"


def test_open_orders_are_there_again_after_a_restart(boot, engine):
    with boot() as bot:
        order = bot.run(place(bot.manager, TraderOrderType.BUY_LIMIT, "0.8"))
        exchange_id = order.exchange_order_id
    with boot() as bot:

        def found():
            orders = trading_api.get_open_orders(bot.manager)
            return [order.exchange_order_id for order in orders] == [exchange_id]

        assert wait_until(found)


def test_an_order_whose_answer_got_lost_is_found_by_its_client_order_id(boot, engine):
    client_order_id = uuid.uuid4().hex
    with boot() as bot:
        engine.faults.inject(Fault.TIMEOUT_AFTER, "create_order", times=1)
        params = {"clientOrderId": client_order_id}
        answer = bot.run(place(bot.manager, TraderOrderType.BUY_LIMIT, "0.8", params))
    assert answer is None
    assert engine.order_by_client_id(KEY, client_order_id).status == "open"
