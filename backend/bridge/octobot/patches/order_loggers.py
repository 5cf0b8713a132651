"""Forgets the loggers that OctoBot makes, one for each order, and Python would keep for good."""

from __future__ import annotations

import asyncio
import logging

_EVERY_S = 60.0
_OF_AN_ORDER = " [exchange id: "  # see octobot_trading's Order.get_logger_name


async def keep_few_loggers() -> None:
    """Forget them now and then, for as long as the bot runs."""
    while True:
        await asyncio.sleep(_EVERY_S)
        forget_order_loggers()


def forget_order_loggers() -> None:
    """Forget the loggers of all orders; one that is still in use goes on, or is made anew."""
    known = logging.getLogger().manager.loggerDict
    for name in tuple(known):
        if _OF_AN_ORDER in name:
            known.pop(name, None)
