"""The states that a bot tells of, and the calls that need a running one."""

from __future__ import annotations

from collections.abc import Callable

import orjson
import pytest

from backend.errors import BotNotReady
from backend.schemas.markets import BookQuery, CandleQuery, TickerQuery
from backend.schemas.orders import OrderQuery
from backend.schemas.trades import TradeQuery
from tests.bridge.live_bridge import (
    BTC,
    LiveBridge,
    new_order,
    wait_until,
)

NEED_THE_BOT: dict[str, Callable[[LiveBridge], object]] = {
    "portfolio": lambda live: live.bridge.portfolio.summary(),
    "balances": lambda live: live.bridge.portfolio.balances(),
    "orders": lambda live: live.bridge.orders.page(OrderQuery()),
    "order": lambda live: live.bridge.orders.get("x"),
    "create": lambda live: live.bridge.orders.create(new_order()),
    "cancel": lambda live: live.bridge.orders.cancel("x"),
    "trades": lambda live: live.bridge.trades.page(TradeQuery()),
    "trade": lambda live: live.bridge.trades.get("x"),
    "exchanges": lambda live: live.bridge.markets.exchanges(),
    "markets": lambda live: live.bridge.markets.markets(None),
    "tickers": lambda live: live.bridge.markets.tickers(TickerQuery()),
    "ticker": lambda live: live.bridge.markets.ticker(BTC, None),
    "candles": lambda live: live.bridge.markets.candles(BTC, CandleQuery()),
    "book": lambda live: live.bridge.markets.order_book(BTC, BookQuery()),
    "pause": lambda live: live.bridge.bot.pause(),
    "resume": lambda live: live.bridge.bot.resume(),
}


def states(live: LiveBridge, mark: int = 0) -> list[str]:
    """Return the states that were told since, the present one last."""

    def told() -> list[str]:
        events = live.sink.since(mark, "bot")
        return [orjson.loads(event.data)["bot"]["state"] for event in events]

    assert wait_until(lambda: told()[-1:] == [live.state]), told()
    return told()


def assert_nothing_is_ready(live: LiveBridge, reason: str) -> None:
    for call in NEED_THE_BOT.values():
        with pytest.raises(BotNotReady) as refusal:
            call(live)
        assert refusal.value.status == 503
        assert refusal.value.retry_after_s == 2
        assert refusal.value.details is not None
        assert reason in refusal.value.details
