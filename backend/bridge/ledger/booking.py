"""The changes that one fill makes to a paper margin account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from backend.ports.events import Event
from backend.ports.journal import StoredPosition


@dataclass(frozen=True, slots=True)
class Booking:
    """What a trade did to balances and positions, and what is told of that."""

    changes: Mapping[str, Decimal]
    position: StoredPosition
    events: tuple[Event, ...]
