"""Shorter intervals at which OctoBot polls an exchange that has no websocket."""

from __future__ import annotations

from octobot_trading.exchange_data import (
    KlineUpdater,
    MarkPriceUpdater,
    OrderBookUpdater,
    RecentTradeUpdater,
)

from tests.recovery.fast_polling import ask_often

_PRICES = {
    (MarkPriceUpdater, "MARK_PRICE_REFRESH_TIME"): 0.3,  # 7 s
    (RecentTradeUpdater, "RECENT_TRADE_REFRESH_TIME"): 0.2,  # 5 s
    (OrderBookUpdater, "ORDER_BOOK_REFRESH_TIME"): 0.5,  # 5 s
    (KlineUpdater, "KLINE_REFRESH_TIME"): 0.5,  # 8 s
    (KlineUpdater, "QUICK_KLINE_REFRESH_TIME"): 0.5,  # 3 s
}


def poll_often() -> None:
    """Shorten the polling intervals of this process, of prices too."""
    ask_often()
    for (updater, name), seconds in _PRICES.items():
        setattr(updater, name, seconds)
