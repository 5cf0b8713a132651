"""Patch that makes trades, and not their mean, fill or trigger the orders that OctoBot watches.

OctoBot 2.0.15 and 2.1.1 use the mean of trades that came together as a price of the instant at
which it was computed. `test_prices_from_before_its_entrys_fill_do_not_fill_an_exit` in
tests/bridge/orders/test_brackets.py passes without the patch once they do not.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from octobot_trading.enums import MarkPriceSources

_MEAN = MarkPriceSources.RECENT_TRADE_AVERAGE.value


def trigger_at_trades(manager: Any) -> None:
    """Prevent the mean of recent trades from triggering orders, once there is a price.

    An exit was filled by trades from before the fill of its own entry.
    """
    for symbol in manager.exchange_config.traded_symbol_pairs:
        data = manager.exchange_symbols_data.get_exchange_symbol_data(symbol)
        data.handle_mark_price_update = _without_mean(data)


def _without_mean(data: Any) -> Any:
    handle = data.handle_mark_price_update

    def handle_unless_mean(mark_price: Decimal, source: str) -> bool:
        if source == _MEAN and data.prices_manager.initialized():
            return bool(data.prices_manager.set_mark_price(mark_price, source))
        return bool(handle(mark_price, source))

    return handle_unless_mean
