"""Patch of real futures orders: they carry `reduceOnly`, and their fills refresh the balances.

OctoBot 2.0.15 and 2.1.1 do not send `reduceOnly` by their default exchange; 2.1.1 also raises when
a futures order fills. `test_exits_and_changed_orders_only_reduce_at_the_exchange_too` in
tests/bridge/live/test_position_tracker.py passes without the patch once both are fixed.
"""

from __future__ import annotations

from typing import Any

import octobot_trading.exchange_channel as exchange_channel
from octobot_trading.constants import BALANCE_CHANNEL

from backend.bridge.octobot.exchange import Exchange
from backend.bridge.octobot.order import Create, OctoBotOrder

REDUCING = {"reduceOnly": True}


def send_reduce_only(exchange: Exchange) -> None:
    """Send `reduceOnly` to the exchange with each order that only reduces.

    The exits of an entry, which OctoBot places itself, could else open the other side.
    """

    async def create_reducing(
        order: OctoBotOrder, create: Create, *, loaded: bool
    ) -> OctoBotOrder | None:
        if order.reduce_only:
            order.exchange_creation_params = {**(order.exchange_creation_params or {}), **REDUCING}
        return await create()

    exchange.orders.intercept_creation(create_reducing)


def refresh_balances_after_fills(manager: Any) -> None:
    """Replace OctoBot 2.1's wait for balances that show a fill, which raises for futures.

    It cannot verify a fill on a margin account: the exits of an entry were never placed.
    """
    portfolio = manager.exchange_personal_data.portfolio_manager
    if not hasattr(portfolio, "pending_portfolio_update_events"):
        return  # OctoBot 2.0 only fetches the balances
    handle = portfolio.handle_balance_update_from_order

    async def refreshed(order: Any, require_exchange_update: bool, expected: bool) -> Any:
        if not order.is_active or not require_exchange_update:
            return await handle(order, require_exchange_update, expected)
        channel = exchange_channel.get_chan(BALANCE_CHANNEL, manager.id)
        return await channel.get_internal_producer().refresh_real_trader_portfolio(), None

    portfolio.handle_balance_update_from_order = refreshed
