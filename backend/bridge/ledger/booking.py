"""Interface through which the ledger books fills into paper margin accounts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from backend.ports.events import Event
from backend.ports.journal import StoredPosition
from backend.schemas.trades import Trade


@dataclass(frozen=True, slots=True)
class Booking:
    """Changes of balances and of a position that one trade makes, and their events."""

    changes: Mapping[str, Decimal]
    position: StoredPosition
    events: tuple[Event, ...]


class PositionBook(Protocol):
    """Accounts that carry positions; every fill is booked there before it is committed."""

    def book(self, trade: Trade, account: str) -> Booking:
        """Book a trade, in the order in which trades happen."""
