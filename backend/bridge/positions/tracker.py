"""Interface of a position tracker; paper and live trading each have their own."""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

from backend.accounting.contract_position import MarginMode
from backend.bridge.octobot.exchange import Exchange
from backend.ports.journal import AccountState
from backend.schemas.positions import Position


class PositionTracker(Protocol):
    """Positions of every futures exchange, kept up to date; used on the bot's loop only."""

    async def begin(self, exchange: Exchange, state: AccountState) -> None:
        """Load an exchange's positions after a boot, before anything trades."""

    def publish(self) -> None:
        """Load the present positions into the streams' snapshot."""

    async def on_price(self, exchange: Exchange, symbol: str, price: Decimal) -> bool:
        """Apply a new price to a position; return whether that changed the account's balances."""

    def on_fill(self, exchange: Exchange, symbol: str) -> None:
        """Handle the fill of an order of a contract."""

    async def refresh(self, exchange: Exchange, symbol: str) -> None:
        """Bring a position up to date with the exchange."""

    def symbols(self, exchange: Exchange) -> list[str]:
        """Return the contracts that have a position or settings here."""

    def position(self, exchange: Exchange, symbol: str) -> Position:
        """Return a position, or the settings of a contract in which none is open."""

    async def configure(
        self, exchange: Exchange, symbol: str, leverage: Decimal | None, mode: MarginMode | None
    ) -> None:
        """Change a contract's settings; raises the error that forbids it, with nothing changed."""
