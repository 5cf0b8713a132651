"""What the rest of the bridge asks of whoever keeps positions; paper and real ones differ."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Protocol

from backend.accounting.contract_position import MarginMode
from backend.ports.journal import AccountState
from backend.schemas.positions import Position


class PositionTracker(Protocol):
    """Keeps the positions of every futures exchange true; used on the bot's loop only."""

    async def begin(self, manager: Any, state: AccountState) -> None:
        """Take up an exchange's positions after a boot, before anything trades."""

    def publish(self) -> None:
        """Let the streams begin with the positions as they are now."""

    async def take_price(self, manager: Any, symbol: str, price: Decimal) -> bool:
        """Bring a position to a new price; tells whether that changed what the account has."""

    def note_fill(self, manager: Any, symbol: str) -> None:
        """Hear that an order of a contract has filled."""

    async def refresh(self, manager: Any, symbol: str) -> None:
        """Make sure that a position is known as it stands now."""

    def symbols(self, manager: Any) -> list[str]:
        """Return the contracts that have a position or settings here."""

    def position(self, manager: Any, symbol: str) -> Position:
        """Return a position, or the settings of a contract in which none is open."""

    async def configure(
        self, manager: Any, symbol: str, leverage: Decimal | None, mode: MarginMode | None
    ) -> None:
        """Change a contract's settings; raises what forbids it, having changed nothing."""
