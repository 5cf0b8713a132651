"""Margin account of linear contracts: wallet, positions, available margin, liquidation.

- Equity is the wallet plus the unrealised PnL of all open positions.
- Available margin is the wallet plus the unrealised PnL of cross positions, less the
  margin of all positions and of open orders, with their fees.
- An isolated position is liquidated when its margin plus its unrealised PnL is down to
  its maintenance margin; it then loses its margin, never more.
- Cross positions are liquidated together, when the cross balance (wallet less isolated
  margins) plus their unrealised PnL is down to the sum of their maintenance margins;
  they lose at most the cross balance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext

from backend.accounting.contract_position import (
    ContractPosition,
    MarginMode,
    PositionChange,
    average_price,
    initial_margin,
)
from backend.accounting.decimals import EXACT, ZERO

Prices = Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class OrderExposure:
    """The notional and the fee of the part of an open order that would open a position."""

    symbol: str
    cost: Decimal
    fee: Decimal


class MarginAccount:
    """Wallet and positions in one margin asset; prices are passed to each method.

    A position whose price is missing is valued at its entry price.
    """

    def __init__(
        self, wallet: Decimal = ZERO, positions: Mapping[str, ContractPosition] | None = None
    ) -> None:
        self.wallet = wallet
        self.positions: dict[str, ContractPosition] = dict(positions or {})
        self.order_exposures: dict[str, OrderExposure] = {}

    def position(self, symbol: str) -> ContractPosition:
        """Return a symbol's position, an empty one if there is none."""
        return self.positions.get(symbol, ContractPosition())

    def apply(self, symbol: str, changes: list[PositionChange]) -> None:
        """Apply the changes of a position to the account."""
        with localcontext(EXACT):
            for change in changes:
                self.positions[symbol] = change.position
                self.wallet += change.wallet_change

    def equity(self, prices: Prices) -> Decimal:
        """Return the wallet with all unrealised PnL."""
        with localcontext(EXACT):
            return self.wallet + sum((self.unrealized(s, prices) for s in self.positions), ZERO)

    def available(self, prices: Prices) -> Decimal:
        """Return the margin available for new positions; negative when too much is used."""
        with localcontext(EXACT):
            gains = sum((self.unrealized(s, prices) for s in self._symbols_in("cross")), ZERO)
            return self.wallet + gains - self.position_margin - self.order_margin

    @property
    def position_margin(self) -> Decimal:
        """The initial margin of all positions."""
        return sum((position.margin for position in self.positions.values()), ZERO)

    @property
    def order_margin(self) -> Decimal:
        """The margin and fees of all open orders."""
        return sum(
            (self.required_margin(exposure) for exposure in self.order_exposures.values()), ZERO
        )

    def required_margin(self, exposure: OrderExposure) -> Decimal:
        """Return the margin and fee of an order at its symbol's leverage."""
        leverage = self.position(exposure.symbol).leverage
        return EXACT.add(initial_margin(exposure.cost, leverage), exposure.fee)

    def unrealized(self, symbol: str, prices: Prices) -> Decimal:
        """Return the unrealised PnL of a position, before fees."""
        position, price = self.position(symbol), prices.get(symbol)
        return ZERO if price is None else position.unrealized(price)

    def liquidation_price(self, symbol: str, prices: Prices) -> Decimal | None:
        """Return the liquidation price at constant other prices; None if there is none."""
        position = self.position(symbol)
        if not position.quantity:
            return None
        with localcontext(EXACT):
            max_loss = self._collateral(symbol, prices) - position.maintenance_margin
            cost = position.cost - position.sign * max_loss
            return average_price(cost, position.quantity) if cost > 0 else None

    def is_liquidated(self, symbol: str, prices: Prices) -> bool:
        """Return whether a position has reached its liquidation price."""
        position = self.position(symbol)
        if not position.quantity or symbol not in prices:
            return False
        with localcontext(EXACT):
            left = self._collateral(symbol, prices) + self.unrealized(symbol, prices)
            return left <= position.maintenance_margin

    def liquidation_cost(self, symbol: str, prices: Prices) -> Decimal:
        """Return the exit cost at which a liquidated position is closed."""
        position = self.position(symbol)
        with localcontext(EXACT):
            loss = -self.unrealized(symbol, prices)
            if position.margin_mode == "isolated":
                loss = position.margin
            return max(position.cost - position.sign * min(loss, self._max_loss(symbol)), ZERO)

    def with_settings(
        self, symbol: str, leverage: Decimal | None, margin_mode: MarginMode | None
    ) -> MarginAccount:
        """Return a copy of the account with other settings of a symbol."""
        position = self.position(symbol)
        changed = replace(
            position,
            leverage=leverage or position.leverage,
            margin_mode=margin_mode or position.margin_mode,
        )
        account = MarginAccount(self.wallet, {**self.positions, symbol: changed})
        account.order_exposures = dict(self.order_exposures)
        return account

    def _symbols_in(self, mode: MarginMode) -> list[str]:
        return [s for s, position in self.positions.items() if position.margin_mode == mode]

    def _cross_balance(self) -> Decimal:
        """Return the wallet less isolated margins: the collateral of cross positions."""
        return self.wallet - sum(
            (self.positions[s].margin for s in self._symbols_in("isolated")), ZERO
        )

    def _collateral(self, symbol: str, prices: Prices) -> Decimal:
        """Return the collateral of a position, net of the needs of other cross positions."""
        position = self.position(symbol)
        if position.margin_mode == "isolated":
            return position.margin
        others = [other for other in self._symbols_in("cross") if other != symbol]
        carried = sum(
            (self.unrealized(s, prices) - self.positions[s].maintenance_margin for s in others),
            ZERO,
        )
        return self._cross_balance() + carried

    def _max_loss(self, symbol: str) -> Decimal:
        position = self.position(symbol)
        if position.margin_mode == "isolated":
            return position.margin
        return max(self._cross_balance(), ZERO)
