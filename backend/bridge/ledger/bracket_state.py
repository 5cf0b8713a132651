"""Brackets between two moments: exits that are still to come, cancels that wait for a fill."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from backend.ports.order_tracking import OrderTracking
from backend.schemas.orders import Order

Raw = tuple[dict[str, Any], str]
"""An order as OctoBot tells of it, and its exchange."""


class BracketState:
    """What the ledger has to remember of entries and their exits; the bot's loop only.

    When one exit fills, OctoBot cancels the other first. A crash between the two
    would leave the position with half its protection, so that cancel is withheld
    until the fill is known, and both are entered as one.
    """

    def __init__(self) -> None:
        self._due: dict[str, tuple[Order, ...]] = {}
        self._awaited: dict[str, str] = {}
        self._withheld: dict[str, list[Raw]] = {}

    # ---- exits that the fill of their entry will bring about, or should have

    def note_fill(self, entry: Order, tracking: OrderTracking) -> None:
        """Expect the exits of an entry that has filled."""
        if tracking.exits:
            self._due[entry.id] = tracking.exits

    def due(self, is_known: Callable[[str], bool], entry_id: str | None = None) -> list[Order]:
        """Return the exits, of one entry or of all, that are not there yet."""
        for entry, exits in list(self._due.items()):
            if all(is_known(order.id) for order in exits):
                del self._due[entry]
        entries = self._due if entry_id is None else self._due.keys() & {entry_id}
        return [order for key in entries for order in self._due[key] if not is_known(order.id)]

    # ---- cancels that come with the fill of the other half

    def await_fill(self, halves: Collection[str], filling: str) -> None:
        """Withhold the cancels of these orders until another one has filled."""
        self._awaited.update(dict.fromkeys(halves, filling))

    def withhold(self, order_id: str, raw: Raw) -> bool:
        """Keep a cancel back if it belongs to a fill that is not known yet."""
        filling = self._awaited.pop(order_id, None)
        if filling is None:
            return False
        self._withheld.setdefault(filling, []).append(raw)
        return True

    def release(self, filling: str) -> list[Raw]:
        """Return what was withheld until this order's end; nothing more is from now on."""
        for half in [half for half, awaited in self._awaited.items() if awaited == filling]:
            del self._awaited[half]
        return self._withheld.pop(filling, [])

    def forget_withheld(self) -> None:
        """Take halves for open whose other half the bot did not come to fill."""
        self._awaited.clear()
        self._withheld.clear()
