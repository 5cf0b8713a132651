"""Gate for orders of OctoBot's own strategies: the pause and the pre-trade risk checks."""

from __future__ import annotations

from backend.bridge.octobot.exchange import Exchange
from backend.bridge.octobot.order import Create, OctoBotOrder
from backend.bridge.octobot.order_errors import creation_refused
from backend.bridge.risk.pre_trade import PreTradeRisk
from backend.bridge.runtime.runner import BotRunner


def gate_strategy_orders(exchange: Exchange, runner: BotRunner, pre_trade: PreTradeRisk) -> None:
    """Refuse strategies' orders while the bot is paused, and those that break a risk limit.

    Protective orders of a fill still pass.

    OctoBot's own switch, `trader.is_enabled`, would also stop it from counting fills.
    """

    async def create_if_allowed(
        order: OctoBotOrder, create: Create, *, loaded: bool
    ) -> OctoBotOrder | None:
        if not loaded and order.triggered_by is None:
            pre_trade.check_strategy_order(order)
            is_free = order.reduce_only or pre_trade.is_known(order)
            if runner.status.state == "paused" and not is_free:
                raise creation_refused("trading is paused")
        return await create()

    exchange.orders.intercept_creation(create_if_allowed)
