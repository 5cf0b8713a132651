"""OctoBot's one-cancels-the-other group, corrected for paper trading."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any, Protocol

import octobot_trading.personal_data as personal_data

_FILLED_WITHIN_S = 5


class FillListener(Protocol):
    """Receives the orders that are canceled because another one fills."""

    def defer_cancels(self, order_ids: Collection[str], filling: str) -> None:
        """Record the coming cancels of these orders together with the fill of `filling`."""

    def release_cancels(self, filling: str) -> None:
        """Record the deferred cancels: the fill should have been reported by now."""


class OcoGroup(personal_data.OneCancelsTheOtherOrderGroup):  # type: ignore[misc]  # OctoBot is untyped
    """A pair of paper exits: never do both fill, and never is one canceled without a fill.

    OctoBot forgets an exit that it is still placing while the other one fills.
    """

    listener: FillListener
    is_spent = False

    async def on_fill(self, filled_order: Any, ignored_orders: Any = None) -> None:
        """Cancel the other exit, after notifying the listener that both belong together."""
        self.is_spent = True
        filling = filled_order.order_id
        order_ids = [order.order_id for order in self.get_group_open_orders()]
        self.listener.defer_cancels([each for each in order_ids if each != filling], filling)
        loop = asyncio.get_running_loop()
        loop.call_later(_FILLED_WITHIN_S, self.listener.release_cancels, filling)
        await super().on_fill(filled_order, ignored_orders)
