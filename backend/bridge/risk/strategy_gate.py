"""Pause and pre-trade risk checks for the orders that OctoBot's own strategies place."""

from __future__ import annotations

from typing import Any

import octobot_trading.errors as trading_errors

from backend.bridge.risk.pre_trade import PreTradeRisk
from backend.bridge.runtime.runner import BotRunner


def gate_strategy_orders(manager: Any, runner: BotRunner, pre_trade: PreTradeRisk) -> None:
    """Refuse strategies' orders while the bot is paused, and those that break a risk limit.

    Protective orders of a fill still pass.

    OctoBot's own switch, `trader.is_enabled`, would also stop it from counting fills.
    """
    create = manager.trader.create_order

    async def create_if_allowed(order: Any, *args: Any, **kwargs: Any) -> Any:
        loaded = kwargs.get("loaded") or (args and args[0])
        if not loaded and order.triggered_by is None:
            pre_trade.check_strategy_order(order)
            is_free = order.reduce_only or pre_trade.is_known(order)
            if runner.status.state == "paused" and not is_free:
                raise trading_errors.OrderCreationError("trading is paused")
        return await create(order, *args, **kwargs)

    manager.trader.create_order = create_if_allowed
