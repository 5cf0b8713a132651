"""TradingMode: the differences between paper and live trading, chosen once for a bridge."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from typing import Protocol

from backend.bridge.octobot.exchange import Exchange
from backend.bridge.octobot.order import OctoBotOrder
from backend.schemas.orders import NewOrder, Order

CancelOrder = Callable[[str], Awaitable[Order]]


class TradingMode(Protocol):
    """The steps of a boot that differ, in their order, and the amendment of an order.

    All of it runs on the bot's loop. `octobot.order_kinds` has the differences in the
    orders that OctoBot gets, `positions.tracker` those in positions.
    """

    @property
    def executes_at_our_prices(self) -> bool:
        """Whether orders execute at the prices that the bot knows, not at the exchange's own."""

    async def opening_balances(self, exchange: Exchange) -> Mapping[str, Decimal]:
        """Return the balances with which a new account of the exchange begins.

        Raises `BootFailed` when the exchange does not report them.
        """

    def prepare(self, exchange: Exchange, balances: Mapping[str, Decimal]) -> None:
        """Bring the account to the journal's balances, before anything trades."""

    def resolve_intent(self, order: Order) -> None:
        """Record an order whose intent an earlier process left open; never send it again."""

    async def recover(self, exchange: Exchange, cancel: CancelOrder) -> None:
        """Resume an earlier process's work, before OctoBot's channels are consumed.

        `cancel` cancels an open order by its id.
        """

    async def restore_orders(self, exchange: Exchange) -> None:
        """Place or watch again the open orders that OctoBot forgets when it stops."""

    async def takes(self, exchange: Exchange, order: Order) -> bool | None:
        """Return whether a new order takes liquidity; None leaves that to its price.

        Raises the reason why an order may not take, or cannot.
        """

    async def end_unfilled(self, exchange: Exchange, placed: OctoBotOrder, order: Order) -> None:
        """Cancel what a just placed order must not leave open, where the exchange does not."""

    def supervise(self, exchange: Exchange) -> None:
        """Start the supervision of the exchange's orders for this run of the bot."""

    async def settle_end(self, exchange: Exchange, order_id: str) -> None:
        """Wait a moment until what an ended order has executed is known."""

    def amending(
        self, exchange: Exchange, held: OctoBotOrder, order: Order, amended: NewOrder
    ) -> AbstractAsyncContextManager[None]:
        """Return the context of an amendment: checks before it, settlement if it fails.

        `held` is the OctoBot order, `order` ours, `amended` the order with its new
        values. Raises the reason why the order cannot be amended.
        """
