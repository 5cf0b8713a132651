"""The two exits of an entry: when one fills, the other is canceled."""

from __future__ import annotations

import asyncio
from typing import Any

import octobot_trading.personal_data as personal_data

from backend.bridge.ledger.ledger import Ledger

_FILLED_WITHIN_S = 5


class OcoGroup(personal_data.OneCancelsTheOtherOrderGroup):  # type: ignore[misc]  # OctoBot is untyped
    """A pair of paper exits, of which never both fill, nor is one canceled alone.

    OctoBot forgets an exit that it is still placing while the other one fills.
    """

    ledger: Ledger
    is_spent = False

    async def on_fill(self, filled_order: Any, ignored_orders: Any = None) -> None:
        """Cancel the other exit; the ledger hears of both as one."""
        self.is_spent = True
        halves = [order.order_id for order in self.get_group_open_orders()]
        filling = filled_order.order_id
        self.ledger.await_fill([half for half in halves if half != filling], filling)
        loop = asyncio.get_running_loop()
        loop.call_later(_FILLED_WITHIN_S, self.ledger.expect_no_fill, filling)
        await super().on_fill(filled_order, ignored_orders)


def oco_group_of(manager: Any, ledger: Ledger, entry_id: str) -> Any:
    """Return the group of an entry's exits."""
    orders = manager.exchange_personal_data.orders_manager
    if not manager.is_trader_simulated:
        return orders.get_or_create_group(personal_data.OneCancelsTheOtherOrderGroup, entry_id)
    group = orders.get_or_create_group(OcoGroup, entry_id)
    group.ledger = ledger
    return group


async def cancel_if_spent(manager: Any, order: Any) -> None:
    """Cancel an exit that was placed while the other one filled."""
    if isinstance(order.order_group, OcoGroup) and order.order_group.is_spent and order.is_open():
        await manager.trader.cancel_order(order)
