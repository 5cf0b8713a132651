"""State of brackets: exits of filled entries that are not placed yet, and deferred cancels."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from backend.bridge.ledger.history import History
from backend.bridge.octobot.order import RawOrder
from backend.ports.order_tracking import OrderTracking
from backend.schemas.orders import Order

Report = tuple[RawOrder, str]
"""An order in the format of OctoBot's `to_dict`, and its exchange."""


class BracketState:
    """Entries whose exits are not placed yet, and deferred cancels; used on the bot's loop only.

    When one exit fills, OctoBot cancels the other first. A crash between the two would
    leave the position with half its protection, so that cancel is deferred until the
    fill is known, and both are committed together.
    """

    def __init__(self) -> None:
        self._due: dict[str, tuple[Order, ...]] = {}
        self._awaited: dict[str, str] = {}
        self._deferred: dict[str, list[Report]] = {}

    def note_fill(self, entry: Order, tracking: OrderTracking) -> None:
        """Expect the exits of an entry that has filled."""
        if tracking.exits:
            self._due[entry.id] = tracking.exits

    def due(self, is_known: Callable[[str], bool], entry_id: str | None = None) -> list[Order]:
        """Return the exits, of one entry or of all, that are not known yet."""
        for entry, exits in list(self._due.items()):
            if all(is_known(order.id) for order in exits):
                del self._due[entry]
        entries = self._due if entry_id is None else self._due.keys() & {entry_id}
        return [order for key in entries for order in self._due[key] if not is_known(order.id)]

    def await_fill(self, order_ids: Collection[str], filling: str) -> None:
        """Defer the cancels of these orders until another one has filled."""
        self._awaited.update(dict.fromkeys(order_ids, filling))

    def defer_cancel(self, order_id: str, report: Report) -> bool:
        """Defer the report of a cancel if its order awaits a fill; return whether it does."""
        filling = self._awaited.pop(order_id, None)
        if filling is None:
            return False
        self._deferred.setdefault(filling, []).append(report)
        return True

    def release(self, filling: str) -> list[Report]:
        """Return the cancels deferred until this order's end, and stop deferring for it."""
        for order_id in [key for key, awaited in self._awaited.items() if awaited == filling]:
            del self._awaited[order_id]
        return self._deferred.pop(filling, [])

    def drop_deferred(self) -> None:
        """Forget the cancels whose fill never came: those orders count as open."""
        self._awaited.clear()
        self._deferred.clear()


def siblings_of(order: Order, orders: History[Order]) -> Iterator[Order]:
    """Return the other exits of an exit's entry, newest first."""
    if order.parent_order_id is not None:
        for entry in orders.newest_first():
            other = entry.item
            if other.parent_order_id == order.parent_order_id and other.id != order.id:
                yield other


def has_sibling_ended(order: Order, orders: History[Order]) -> bool:
    """Return whether the other exit of an exit's entry has filled or been canceled."""
    return any(other.status in ("filled", "canceled") for other in siblings_of(order, orders))
