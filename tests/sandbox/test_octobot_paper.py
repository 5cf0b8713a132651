"""OctoBot in paper trading on the sandbox exchange."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest
from octobot_trading import constants
from octobot_trading import personal_data as pd
from octobot_trading.enums import TraderOrderType

from backend.sandbox import Market, install
from tests.sandbox.conftest import SYMBOLS
from tests.sandbox.octobot_boot import Bot
from tests.waiting import wait_until

BTC = "BTC/USDT"


async def place(manager, order_type, share_of_price, params=None):
    _, _, _, price, market = await pd.get_pre_order_data(manager, BTC, 10)
    adapted = pd.decimal_check_and_adapt_order_details_if_necessary(
        Decimal("0.0123456789"), price * Decimal(share_of_price), market
    )
    [(quantity, limit)] = adapted
    order = pd.create_order_instance(manager.trader, order_type, BTC, price, quantity, price=limit)
    return await manager.trader.create_order(order, params=params)


def test_mark_prices_go_on_arriving_for_each_symbol(paper_bot):
    events = paper_bot.run(paper_bot.consume(constants.MARK_PRICE_CHANNEL))

    def least():
        counts = Counter(event["symbol"] for event in events)
        return min(counts[symbol] for symbol in SYMBOLS)

    assert wait_until(lambda: least() >= 6)


def test_klines_arrive_too(paper_bot):
    events = paper_bot.run(paper_bot.consume(constants.KLINE_CHANNEL))
    assert wait_until(lambda: {event["symbol"] for event in events} == set(SYMBOLS))


def test_octobot_reads_precision_as_digits(paper_bot):
    order = paper_bot.run(place(paper_bot.manager, TraderOrderType.BUY_LIMIT, "0.777777777"))
    assert order.origin_quantity == Decimal("0.01234")
    assert order.origin_price.as_tuple().exponent == -2
    paper_bot.run(paper_bot.manager.trader.cancel_order(order))


@pytest.mark.parametrize(
    ("order_type", "limit", "target"),
    [
        (TraderOrderType.BUY_LIMIT, "0.9", "0.999"),
        (TraderOrderType.SELL_LIMIT, "1.1", "1.001"),
    ],
)
def test_a_move_fills_the_orders_it_crosses_at_once(
    paper_bot, live_market, order_type, limit, target
):
    order = paper_bot.run(place(paper_bot.manager, order_type, limit))
    assert not order.is_filled()
    live_market.move(BTC, order.origin_price * Decimal(target))
    assert wait_until(order.is_filled)


def test_a_bot_can_be_started_again_on_another_market(tmp_path):
    for seed in (1, 2):
        market = Market(seed=seed)
        install(market)
        with Bot(tmp_path, SYMBOLS, keys=None) as bot:
            events = bot.run(bot.consume(constants.MARK_PRICE_CHANNEL))
            assert wait_until(lambda events=events: events)
            share = events[-1]["mark_price"] / market.price(events[-1]["symbol"])
            assert abs(share - 1) < Decimal("0.02")
