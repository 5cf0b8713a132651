"""Makes OctoBot's futures simulator follow our margin accounts, to the last digit.

OctoBot's own releases an order's margin at another price than it locked it at, counts
fees twice on partial closes, cuts balances off at zero, knows no cross margin and pays
funding each time that it hears of a rate.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import octobot_trading.errors as trading_errors
import octobot_trading.personal_data as personal_data
from octobot_trading.enums import MarginType, PositionSide

from backend.accounting.contract_position import MAINTENANCE_RATE, MAX_LEVERAGE
from backend.accounting.decimals import ZERO
from backend.bridge.ledger.ledger import Ledger
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.octobot.order import OctoBotOrder
from backend.bridge.paper.margin_accounts import MarginAccounts
from backend.schemas.common import utc_now

_SIDES = {"long": PositionSide.LONG, "short": PositionSide.SHORT, None: PositionSide.UNKNOWN}


async def follow_margins(exchange: Exchange, ledger: Ledger, margins: MarginAccounts) -> None:
    """Put our portfolio and positions in the place of the simulator's, before anything trades."""
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
            max_leverage=Decimal(MAX_LEVERAGE),
            maintenance_rate=MAINTENANCE_RATE,
        )
    mirror(exchange, margins)


def mirror(exchange: Exchange, margins: MarginAccounts) -> None:
    """Show OctoBot, and so its strategies, what our accounts hold."""
    for position in exchange.account.positions():
        if isinstance(position, PaperPosition):
            position.mirror()
    portfolio = exchange.account.portfolio
    if isinstance(portfolio, MarginPortfolio):
        portfolio.mirror()


class MarginPortfolio(personal_data.FuturePortfolio):  # type: ignore[misc]  # OctoBot is untyped
    """Balances as our accounts have them; orders hold there what they may open."""

    def follow(self, exchange: Exchange, margins: MarginAccounts) -> None:
        """Set whose accounts to show."""
        self._exchange = exchange
        self._margins = margins

    def update_portfolio_available_from_order(
        self, order: OctoBotOrder, is_new_order: bool = True
    ) -> None:
        """Hold or release an order's margin and fee; raises OctoBot's error if it is not there."""
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
        """Tell whether an open order's new values could be held instead of its old ones."""
        exposure = self._exposure(order, quantity, price)
        name = self._exchange.name
        return self._margins.affords(name, exposure, instead_of=order.order_id)

    def covers(self, order: OctoBotOrder, price: Decimal) -> bool:
        """Tell whether an order may fill at a price: it is paid for, or only reduces."""
        name, symbol, quantity = self._exchange.name, order.symbol, _signed(order)
        position = self._margins.account(name, symbol).position(symbol)
        opened = position.opening_quantity(quantity)
        if order.reduce_only and opened:
            return False
        fee = self._exchange.orders.taker_fee(order, order.origin_quantity, price)
        steps = position.apply_fill(quantity, order.origin_quantity * price, fee, utc_now())
        return self._margins.covers(name, order.order_id, symbol, steps, opened)

    def mirror(self) -> None:
        """Write the accounts' figures into OctoBot's assets."""
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
        """Do nothing: the position's fill changes the balances."""

    def update_portfolio_from_funding(self, position: Any, funding_rate: Any) -> None:
        """Do nothing: funding is paid at its time."""

    def update_portfolio_from_pnl(self, position: Any) -> None:
        """Do nothing: `mirror` has the PnL."""

    def _exposure(self, order: OctoBotOrder, quantity: Decimal, price: Decimal) -> Any:
        fee = self._exchange.orders.taker_fee(order, quantity, price)
        signed = quantity if order.side.value == "buy" else -quantity
        if order.reduce_only:
            signed = ZERO
        name = self._exchange.name
        return self._margins.order_exposure(name, order.symbol, signed, price, fee)


class PaperPosition(personal_data.LinearPosition):  # type: ignore[misc]  # OctoBot is untyped
    """A position whose figures are our account's; OctoBot only tells it of fills."""

    def follow(self, exchange: Exchange, ledger: Ledger, margins: MarginAccounts) -> None:
        """Set where fills are booked and figures come from."""
        self._exchange = exchange
        self._ledger = ledger
        self._margins = margins

    async def update_from_order(self, order: OctoBotOrder) -> None:
        """Enter a fill into the ledger, in the order in which fills happen."""
        self._ledger.record_order(order.to_dict(), self._exchange.name)
        mirror(self._exchange, self._margins)

    async def update(
        self, update_size: Any = None, mark_price: Any = None, update_margin: Any = None
    ) -> None:
        """Do nothing: prices come with the newest trade, and liquidation is ours to find."""

    async def close(self) -> None:
        """Do nothing: what is closed has no quantity."""

    def mirror(self) -> None:
        """Write our account's figures into this object."""
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
