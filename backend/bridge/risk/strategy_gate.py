"""Gate for orders of OctoBot's own strategies: the pause and the pre-trade risk checks."""

from __future__ import annotations

from backend.bridge.market_data.price_monitor import PriceMonitor
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.octobot.order import Create, OctoBotOrder
from backend.bridge.octobot.order_errors import creation_refused
from backend.bridge.risk.pre_trade import PreTradeRisk
from backend.bridge.runtime.runner import BotRunner
from backend.errors import BridgeError
from backend.ports.journal import OrderJournal


def gate_strategy_orders(
    exchange: Exchange,
    runner: BotRunner,
    pre_trade: PreTradeRisk,
    price_monitor: PriceMonitor | None,
    journal: OrderJournal,
) -> None:
    """Refuse strategies' orders while the bot is paused, and those that break a risk limit.

    With a price monitor also those at a stale price; on a damaged database all, since none could
    be recorded. Protective orders of a fill still pass.

    OctoBot's own switch, `trader.is_enabled`, would also stop it from counting fills.
    """

    async def create_if_allowed(
        order: OctoBotOrder, create: Create, *, loaded: bool
    ) -> OctoBotOrder | None:
        if not loaded and order.triggered_by is None:
            pre_trade.check_strategy_order(order)
            is_free = order.reduce_only or pre_trade.is_known(order)
            if journal.damage is not None and not is_free:
                raise creation_refused("the database is damaged")
            if price_monitor is not None and not is_free:
                _require_fresh_price(price_monitor, exchange, order.symbol)
            if runner.status.state == "paused" and not is_free:
                raise creation_refused("trading is paused")
        return await create()

    exchange.orders.intercept_creation(create_if_allowed)


def _require_fresh_price(price_monitor: PriceMonitor, exchange: Exchange, symbol: str) -> None:
    try:
        price_monitor.require_fresh(exchange, symbol)
    except BridgeError as error:
        raise creation_refused(str(error)) from None
