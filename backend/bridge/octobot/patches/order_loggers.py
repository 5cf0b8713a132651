"""Patch that releases the loggers of orders: Python would keep each one forever.

OctoBot 2.0.15 and 2.1.1 create a logger for each order. `test_no_logger_outlives_its_order` in
tests/bridge/market_data/test_many_markets.py passes without the patch once they do not.
"""

from __future__ import annotations

import asyncio
import logging

_EVERY_S = 60.0
_OF_AN_ORDER = " [exchange id: "  # see octobot_trading's Order.get_logger_name


async def release_order_loggers_forever() -> None:
    """Release the loggers of orders every minute, for as long as the bot runs."""
    while True:
        await asyncio.sleep(_EVERY_S)
        release_order_loggers()


def release_order_loggers() -> None:
    """Release the loggers of all orders; one still in use continues, or is created again."""
    known = logging.getLogger().manager.loggerDict
    for name in tuple(known):
        if _OF_AN_ORDER in name:
            known.pop(name, None)
