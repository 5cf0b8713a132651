"""A futures account: one wallet, the positions that it carries, and when they are liquidated.

- Equity is the wallet plus all that the open positions would gain or lose now.
- Available is the wallet plus what cross positions would gain or lose, less the margins of
  all positions and what open orders hold: their margin and fee.
- An isolated position is liquidated when its margin and unrealised PnL together are down to
  its maintenance; it then loses its margin, never more.
- Cross positions are liquidated together, when what they share (wallet less isolated
  margins) and their unrealised PnL together are down to the sum of their maintenance; they
  lose at most what they share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext

from backend.accounting.contract_position import (
    ContractPosition,
    MarginMode,
    PositionChange,
    margin_for,
    price_of,
)
from backend.accounting.decimals import EXACT, ZERO

Prices = Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Hold:
    """What an open order may open, at its price, and the fee for that."""

    symbol: str
    cost: Decimal
    fee: Decimal


class MarginAccount:
    """Wallet and positions in one margin asset. Every price that a method needs is given to it.

    A position whose price is missing counts at its entry.
    """

    def __init__(
        self, wallet: Decimal = ZERO, stakes: Mapping[str, ContractPosition] | None = None
    ) -> None:
        self.wallet = wallet
        self.stakes: dict[str, ContractPosition] = dict(stakes or {})
        self.holds: dict[str, Hold] = {}

    def stake(self, symbol: str) -> ContractPosition:
        """Return a symbol's position, an empty one if there was none."""
        return self.stakes.get(symbol, ContractPosition())

    def take(self, symbol: str, steps: list[PositionChange]) -> None:
        """Put what happened to a position into the account."""
        with localcontext(EXACT):
            for step in steps:
                self.stakes[symbol] = step.stake
                self.wallet += step.change

    def equity(self, prices: Prices) -> Decimal:
        """Return the wallet with all unrealised PnL."""
        with localcontext(EXACT):
            return self.wallet + sum((self.unrealized(s, prices) for s in self.stakes), ZERO)

    def available(self, prices: Prices) -> Decimal:
        """Return what new positions may use; below zero when too much is used already."""
        with localcontext(EXACT):
            gains = sum((self.unrealized(s, prices) for s in self._in("cross")), ZERO)
            return self.wallet + gains - self.margins - self.held

    @property
    def margins(self) -> Decimal:
        """What all positions hold back."""
        return sum((stake.margin for stake in self.stakes.values()), ZERO)

    @property
    def held(self) -> Decimal:
        """What all open orders hold back."""
        return sum((self._held_by(hold) for hold in self.holds.values()), ZERO)

    def needs(self, hold: Hold) -> Decimal:
        """Return what an order would hold back."""
        return self._held_by(hold)

    def unrealized(self, symbol: str, prices: Prices) -> Decimal:
        """Return what closing a position would gain, before fees."""
        stake, price = self.stake(symbol), prices.get(symbol)
        return ZERO if price is None else stake.unrealized(price)

    def liquidation_price(self, symbol: str, prices: Prices) -> Decimal | None:
        """Return where a position is liquidated while other prices stand; None if nowhere."""
        stake = self.stake(symbol)
        if not stake.quantity:
            return None
        with localcontext(EXACT):
            cushion = self._cushion(symbol, prices) - stake.maintenance
            cost = stake.cost - stake.sign * cushion
            return price_of(cost, stake.quantity) if cost > 0 else None

    def is_liquidated(self, symbol: str, prices: Prices) -> bool:
        """Tell whether a position's price has come to where it is liquidated."""
        stake = self.stake(symbol)
        if not stake.quantity or symbol not in prices:
            return False
        with localcontext(EXACT):
            left = self._cushion(symbol, prices) + self.unrealized(symbol, prices)
            return left <= stake.maintenance

    def liquidation_cost(self, symbol: str, prices: Prices) -> Decimal:
        """Return for how much a liquidated position is taken over."""
        stake = self.stake(symbol)
        with localcontext(EXACT):
            loss = -self.unrealized(symbol, prices)
            if stake.margin_mode == "isolated":
                loss = stake.margin
            return max(stake.cost - stake.sign * min(loss, self._most_lost(symbol)), ZERO)

    def with_settings(
        self, symbol: str, leverage: Decimal | None, margin_mode: MarginMode | None
    ) -> MarginAccount:
        """Return the account as it would be with other settings of a symbol."""
        stake = self.stake(symbol)
        changed = replace(
            stake,
            leverage=leverage or stake.leverage,
            margin_mode=margin_mode or stake.margin_mode,
        )
        account = MarginAccount(self.wallet, {**self.stakes, symbol: changed})
        account.holds = dict(self.holds)
        return account

    def _held_by(self, hold: Hold) -> Decimal:
        return EXACT.add(margin_for(hold.cost, self.stake(hold.symbol).leverage), hold.fee)

    def _in(self, mode: MarginMode) -> list[str]:
        return [s for s, stake in self.stakes.items() if stake.margin_mode == mode]

    def _shared(self) -> Decimal:
        """Return what cross positions share."""
        return self.wallet - sum((self.stakes[s].margin for s in self._in("isolated")), ZERO)

    def _cushion(self, symbol: str, prices: Prices) -> Decimal:
        """Return what a position may lose before only its maintenance is to cover it."""
        stake = self.stake(symbol)
        if stake.margin_mode == "isolated":
            return stake.margin
        others = [other for other in self._in("cross") if other != symbol]
        carried = sum(
            (self.unrealized(s, prices) - self.stakes[s].maintenance for s in others), ZERO
        )
        return self._shared() + carried

    def _most_lost(self, symbol: str) -> Decimal:
        stake = self.stake(symbol)
        return stake.margin if stake.margin_mode == "isolated" else max(self._shared(), ZERO)
