"""What OctoBot's real trader lacks for futures."""

from __future__ import annotations

from typing import Any

import octobot_trading.exchange_channel as exchange_channel
from octobot_trading.constants import BALANCE_CHANNEL

REDUCING = {"reduceOnly": True}


def tell_what_only_reduces(manager: Any) -> None:
    """Have each order that only reduces say so to the exchange: OctoBot's default one does not.

    The exits of an entry, which OctoBot places itself, would else open the other side.
    """
    create = manager.trader.create_order

    async def create_telling(order: Any, *args: Any, **kwargs: Any) -> Any:
        if order.reduce_only:
            order.exchange_creation_params = {**(order.exchange_creation_params or {}), **REDUCING}
        return await create(order, *args, **kwargs)

    manager.trader.create_order = create_telling


def refresh_balances_after_fills(manager: Any) -> None:
    """Have a filled order finish its work in OctoBot 2.1, which else raises for futures.

    It would wait there for balances that show the fill, and does not know how they
    do on a margin account: the exits of an entry were never placed.
    """
    portfolio = manager.exchange_personal_data.portfolio_manager
    if not hasattr(portfolio, "pending_portfolio_update_events"):
        return  # OctoBot 2.0 only asks for the balances
    handle = portfolio.handle_balance_update_from_order

    async def refreshed(order: Any, require_exchange_update: bool, expected: bool) -> Any:
        if not order.is_active or not require_exchange_update:
            return await handle(order, require_exchange_update, expected)
        channel = exchange_channel.get_chan(BALANCE_CHANNEL, manager.id)
        return await channel.get_internal_producer().refresh_real_trader_portfolio(), None

    portfolio.handle_balance_update_from_order = refreshed
