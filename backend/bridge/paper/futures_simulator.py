"""Portfolio and positions of OctoBot's futures simulator, replaced by our margin accounts.

OctoBot's own releases an order's margin at another price than it locked it at, counts
fees twice on partial closes, cuts balances off at zero, knows no cross margin and pays
funding each time that a rate arrives.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import octobot_trading.errors as trading_errors
import octobot_trading.personal_data as personal_data
from octobot_trading.enums import MarginType, PositionSide

from backend.accounting.contract_position import MAINTENANCE_RATE
from backend.accounting.decimals import ZERO
from backend.bridge.ledger.ledger import Ledger
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.octobot.order import OctoBotOrder
from backend.bridge.paper.contract_settings import max_leverage_of
from backend.bridge.paper.margin_accounts import MarginAccounts
from backend.schemas.common import utc_now

_SIDES = {"long": PositionSide.LONG, "short": PositionSide.SHORT, None: PositionSide.UNKNOWN}


async def follow_margins(exchange: Exchange, ledger: Ledger, margins: MarginAccounts) -> None:
    """Replace the simulator's portfolio and positions by ours, before anything trades."""
    portfolio = MarginPortfolio(exchange.name, is_simulated=True)
    portfolio.follow(exchange, margins)
    exchange.account.replace_portfolio(portfolio)

    def create(trader: Any, contract: Any) -> PaperPosition:
        position = PaperPosition(trader, contract)
        position.follow(exchange, ledger, margins)
        return position

    for symbol in exchange.symbols:
        await exchange.account.replace_position(
            symbol,
            create,
            max_leverage=max_leverage_of(exchange.rules(symbol)),
            maintenance_rate=MAINTENANCE_RATE,
        )
    mirror(exchange, margins)


def mirror(exchange: Exchange, margins: MarginAccounts) -> None:
    """Copy the figures of our accounts to OctoBot, and so to its strategies."""
    for position in exchange.account.positions():
        if isinstance(position, PaperPosition):
            position.mirror()
    portfolio = exchange.account.portfolio
    if isinstance(portfolio, MarginPortfolio):
        portfolio.mirror()


class MarginPortfolio(personal_data.FuturePortfolio):  # type: ignore[misc]  # OctoBot is untyped
    """OctoBot portfolio that shows our accounts; open orders reserve margin there."""

    def follow(self, exchange: Exchange, margins: MarginAccounts) -> None:
        """Set the accounts to show."""
        self._exchange = exchange
        self._margins = margins

    def update_portfolio_available_from_order(
        self, order: OctoBotOrder, is_new_order: bool = True
    ) -> None:
        """Reserve or release an order's margin and fee; raises OctoBot's error if it lacks."""
        account = self._margins.account(self._exchange.name, order.symbol)
        if is_new_order:
            exposure = self._exposure(order, order.origin_quantity, order.origin_price)
            if not self._margins.affords(self._exchange.name, exposure):
                raise trading_errors.PortfolioNegativeValueError("the margin is not available")
            account.order_exposures[order.order_id] = exposure
        else:
            account.order_exposures.pop(order.order_id, None)
        self.mirror()

    def affords_change(self, order: OctoBotOrder, quantity: Decimal, price: Decimal) -> bool:
        """Return whether the margin suffices for an open order's new values instead of its old."""
        exposure = self._exposure(order, quantity, price)
        name = self._exchange.name
        return self._margins.affords(name, exposure, instead_of=order.order_id)

    def covers(self, order: OctoBotOrder, price: Decimal) -> bool:
        """Return whether an order may fill at a price: the margin suffices, or it only reduces."""
        name, symbol, quantity = self._exchange.name, order.symbol, _signed(order)
        position = self._margins.account(name, symbol).position(symbol)
        opened = position.opening_quantity(quantity)
        if order.reduce_only and opened:
            return False
        fee = self._exchange.orders.taker_fee(order, order.origin_quantity, price)
        steps = position.apply_fill(quantity, order.origin_quantity * price, fee, utc_now())
        return self._margins.covers(name, order.order_id, symbol, steps, opened)

    def mirror(self) -> None:
        """Copy the accounts' figures to OctoBot's assets."""
        name = self._exchange.name
        prices = self._margins.prices(name)
        for asset_name in self._margins.assets(name):
            account = self._margins.wallet(name, asset_name)
            asset = self.get_currency_portfolio(asset_name)
            asset.wallet_balance = account.wallet
            asset.position_margin = asset.initial_margin = account.position_margin
            asset.order_margin = account.order_margin
            asset.total = account.equity(prices)
            asset.unrealized_pnl = asset.total - account.wallet
            asset.available = max(account.available(prices), ZERO)

    def update_portfolio_from_filled_order(self, order: OctoBotOrder) -> None:
        """Do nothing: the fill of the position changes the balances."""

    def update_portfolio_from_funding(self, position: Any, funding_rate: Any) -> None:
        """Do nothing: funding is paid at its time."""

    def update_portfolio_from_pnl(self, position: Any) -> None:
        """Do nothing: `mirror` copies the profit and loss."""

    def _exposure(self, order: OctoBotOrder, quantity: Decimal, price: Decimal) -> Any:
        fee = self._exchange.orders.taker_fee(order, quantity, price)
        signed = quantity if order.side.value == "buy" else -quantity
        if order.reduce_only:
            signed = ZERO
        name = self._exchange.name
        return self._margins.order_exposure(name, order.symbol, signed, price, fee)


class PaperPosition(personal_data.LinearPosition):  # type: ignore[misc]  # OctoBot is untyped
    """OctoBot position that shows our account's figures and passes fills on to the ledger."""

    def follow(self, exchange: Exchange, ledger: Ledger, margins: MarginAccounts) -> None:
        """Set the ledger that books fills, and the accounts to show."""
        self._exchange = exchange
        self._ledger = ledger
        self._margins = margins

    async def update_from_order(self, order: OctoBotOrder) -> None:
        """Record a fill in the ledger, in the order in which fills happen."""
        self._ledger.record_order(order.to_dict(), self._exchange.name)
        mirror(self._exchange, self._margins)

    async def update(
        self, update_size: Any = None, mark_price: Any = None, update_margin: Any = None
    ) -> None:
        """Do nothing: `PaperPositionTracker` applies prices and liquidates."""

    async def close(self) -> None:
        """Do nothing: a closed position has no quantity in our account."""

    def mirror(self) -> None:
        """Copy our account's figures to this object."""
        name = self._exchange.name
        position = self._margins.account(name, self.symbol).position(self.symbol)
        shown = self._margins.position(name, self.symbol)
        self.size = self.quantity = position.quantity
        self.side = _SIDES[position.side]
        self.entry_price = shown.entry_price or ZERO
        self.mark_price = shown.mark_price or ZERO
        self.value = position.quantity * self.mark_price
        self.initial_margin = self.margin = position.margin
        self.unrealized_pnl, self.realised_pnl = shown.unrealized_pnl, shown.realized_pnl
        self.liquidation_price = shown.liquidation_price or ZERO
        self.symbol_contract.current_leverage = position.leverage
        self.symbol_contract.margin_type = MarginType(position.margin_mode)


def _signed(order: OctoBotOrder) -> Decimal:
    quantity: Decimal = order.origin_quantity
    return quantity if order.side.value == "buy" else -quantity
