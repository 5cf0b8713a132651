"""Paper trading mode: simulated accounts, restored from the journal at each boot."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal

from backend.bridge.ledger.ledger import Ledger
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.octobot.order import OctoBotOrder
from backend.bridge.paper.account import restore_balances, restore_orders
from backend.bridge.paper.amended_funds import check_amended_funds
from backend.bridge.paper.fill_model import FillModel
from backend.bridge.paper.spot_funds import SpotFunds
from backend.bridge.paper.spot_simulator import fill_stops_at_market
from backend.bridge.trading_mode import CancelOrder
from backend.schemas.orders import NewOrder, Order
from backend.settings.model import Settings


class PaperMode:
    """TradingMode of simulated accounts, which begin with the balances of the settings."""

    def __init__(self, ledger: Ledger, settings: Settings) -> None:
        self._ledger = ledger
        self._fills = FillModel(settings, ledger.executions)
        self._opening_balances = settings.paper_balance

    @property
    def executes_at_our_prices(self) -> bool:
        """The simulator executes orders at the prices that the bot knows."""
        return True

    async def opening_balances(self, exchange: Exchange) -> Mapping[str, Decimal]:
        """Return the balances with which a new account of the exchange begins."""
        return self._opening_balances

    def prepare(self, exchange: Exchange, balances: Mapping[str, Decimal]) -> None:
        """Make the simulator's fills exact, and set its balances."""
        restore_balances(exchange, balances)
        exchange.order_mapping.reports_taking = self._fills.is_active
        funds = None if exchange.is_futures else SpotFunds(exchange, self._ledger.executions)
        if funds is not None:
            exchange.account.use_funds(funds)
        fill_stops_at_market(exchange, self._ledger, funds, self._fills)
        exchange.orders.check_edits(exchange.account.affords_change)

    def resolve_intent(self, order: Order) -> None:
        """Create an order as never placed: only orders reported by the simulator have happened."""
        self._ledger.create_lost(order)

    async def recover(self, exchange: Exchange, cancel: CancelOrder) -> None:
        """Do nothing: a simulator continues nothing by itself."""

    async def restore_orders(self, exchange: Exchange) -> None:
        """Place the open orders again in the simulator."""
        await restore_orders(exchange, self._ledger)

    async def takes(self, exchange: Exchange, order: Order) -> bool | None:
        """Return whether a new market or limit order takes liquidity, by the settings' model."""
        if not self._fills.is_active or order.type not in ("market", "limit"):
            return None
        return await self._fills.decide(exchange, order)

    async def end_unfilled(self, exchange: Exchange, placed: OctoBotOrder, order: Order) -> None:
        """Cancel an order that ends at once and has not filled."""
        if order.time_in_force != "GTC" and placed.is_open():
            await exchange.orders.cancel(placed)
            self._ledger.record_order(placed.to_dict(), exchange.name)

    def supervise(self, exchange: Exchange) -> None:
        """Do nothing: the simulator reports everything that happens to its orders."""

    async def settle_end(self, exchange: Exchange, order_id: str) -> None:
        """Do nothing: the simulator fills whole orders."""

    @contextlib.asynccontextmanager
    async def amending(
        self, exchange: Exchange, held: OctoBotOrder, order: Order, amended: NewOrder
    ) -> AsyncIterator[None]:
        """Check the funds: the simulator would let the balance fall below zero."""
        check_amended_funds(exchange, held, order, amended)
        yield
