"""OctoBot's one-cancels-the-other group, made exact for paper trading."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any, Protocol

import octobot_trading.personal_data as personal_data

_FILLED_WITHIN_S = 5


class FillListener(Protocol):
    """Receives which orders are canceled because another one fills."""

    def await_fill(self, halves: Collection[str], filling: str) -> None:
        """Expect the cancels of `halves` to belong to the fill of `filling`."""

    def expect_no_fill(self, filling: str) -> None:
        """Stop waiting for a fill that should have come by now."""


class OcoGroup(personal_data.OneCancelsTheOtherOrderGroup):  # type: ignore[misc]  # OctoBot is untyped
    """A pair of paper exits, of which never both fill, nor is one canceled alone.

    OctoBot forgets an exit that it is still placing while the other one fills.
    """

    listener: FillListener
    is_spent = False

    async def on_fill(self, filled_order: Any, ignored_orders: Any = None) -> None:
        """Cancel the other exit; the listener is told first that both belong together."""
        self.is_spent = True
        halves = [order.order_id for order in self.get_group_open_orders()]
        filling = filled_order.order_id
        self.listener.await_fill([half for half in halves if half != filling], filling)
        loop = asyncio.get_running_loop()
        loop.call_later(_FILLED_WITHIN_S, self.listener.expect_no_fill, filling)
        await super().on_fill(filled_order, ignored_orders)
