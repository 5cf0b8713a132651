"""OrderTracking: data of an order beyond its public fields, needed to rebuild it in the bot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from backend.schemas.orders import Order

Sending = Literal["due", "begun"]


@dataclass(frozen=True, slots=True)
class OrderTracking:
    """Facts that the bot needs to continue an order after a restart.

    `exits` are the orders that its fill will place, `group` the entry whose exits cancel each
    other. `trailing_distance` lies between a trailing stop and the best price since. `is_edited`
    marks a change sent to the exchange, which older lists of open orders lack. `is_triggered`
    marks a stop limit that has become its limit order. `sending` is the progress of a stop that
    triggered here: `due` is certainly not at the exchange, `begun` may be. `sent_for` is the id
    from which the client order id was made that the exchange has, unless that is the order's own.
    """

    exits: tuple[Order, ...] = ()
    trailing_distance: Decimal | None = None
    group: str | None = None
    exchange_id: str | None = None
    is_edited: bool = False
    is_triggered: bool = False
    sending: Sending | None = None
    sent_for: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that the journal stores; unknown facts are left out."""
        stored: dict[str, Any] = {}
        if self.exits:
            stored["exits"] = [order.model_dump(mode="json") for order in self.exits]
        if self.trailing_distance is not None:
            stored["distance"] = str(self.trailing_distance)
        if self.group is not None:
            stored["group"] = self.group
        if self.exchange_id is not None:
            stored["exchange_id"] = self.exchange_id
        if self.is_edited:
            stored["edited"] = True
        if self.is_triggered:
            stored["triggered"] = True
        if self.sending is not None:
            stored["sending"] = self.sending
        if self.sent_for is not None:
            stored["sent_for"] = self.sent_for
        return stored

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> OrderTracking:
        """Read a stored JSON object; keys of other versions are ignored."""
        if not stored:
            return UNTRACKED
        distance, exchange_id = stored.get("distance"), stored.get("exchange_id")
        return cls(
            exits=tuple(Order.model_validate(raw) for raw in stored.get("exits", ())),
            trailing_distance=None if distance is None else Decimal(distance),
            group=stored.get("group"),
            exchange_id=None if exchange_id is None else str(exchange_id),
            is_edited=bool(stored.get("edited")),
            is_triggered=bool(stored.get("triggered")),
            sending=stored.get("sending"),
            sent_for=stored.get("sent_for"),
        )


UNTRACKED = OrderTracking()
