"""Typed view of OctoBot's order objects: the attributes that the bridge reads or sets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any, NewType, Protocol

RawOrder = NewType("RawOrder", dict[str, Any])
"""An order or a trade in the format of OctoBot's channels and `to_dict`; see `conversion`."""


class HasValue(Protocol):
    """A member of one of OctoBot's enums."""

    @property
    def value(self) -> str:
        """The member's text."""


class OrderGroup(Protocol):
    """OctoBot's group of orders that end together."""

    def get_group_open_orders(self) -> Sequence[OctoBotOrder]:
        """Return the orders of the group that are open."""


class OctoBotOrder(Protocol):
    """OctoBot's order object as the bridge passes it on; used on the bot's loop only.

    A Protocol, not a wrapper: no object is created for it.
    """

    order_id: str
    exchange_order_id: str | None
    symbol: str
    side: HasValue
    order_type: object
    origin_quantity: Decimal
    origin_price: Decimal
    created_last_price: Decimal
    filled_price: Decimal
    filled_quantity: Decimal
    total_cost: Decimal
    reduce_only: bool
    triggered_by: OctoBotOrder | None
    """The entry whose fill created this order."""
    chained_orders: list[OctoBotOrder]
    """The orders that this one's fill creates."""
    order_group: OrderGroup | None
    exchange_creation_params: dict[str, Any]
    on_fill: Callable[..., Awaitable[None]]
    update_price_if_outdated: Callable[[], Awaitable[None]]

    def to_dict(self) -> RawOrder:
        """Return the order's present state."""

    def is_open(self) -> bool:
        """Return whether the order has not ended."""

    def is_self_managed(self) -> bool:
        """Return whether OctoBot watches its price because the exchange lacks the order type."""

    def is_counted_in_available_funds(self) -> bool:
        """Return whether the order locks funds while it is open."""

    def can_be_edited(self) -> bool:
        """Return whether the order may be amended."""

    def add_to_order_group(self, group: OrderGroup) -> None:
        """Add the order to a group."""

    def clear_active_order_elements(self) -> None:
        """Stop watching the order's price."""


OctoBotOrderOrNone = OctoBotOrder | None
EditCheck = Callable[[OctoBotOrder, Decimal, Decimal], bool]
"""Returns whether an open order may have a new quantity and price."""

Create = Callable[[], Awaitable[OctoBotOrderOrNone]]


class PaperFunds(Protocol):
    """Locks and settlements of a paper account's orders; `lock` raises `InsufficientFunds`."""

    def lock(self, order: OctoBotOrder) -> None:
        """Lock an order's cost or quantity."""

    def release(self, order: OctoBotOrder) -> None:
        """Release the lock of an order that has ended."""

    def settle(self, order: OctoBotOrder) -> None:
        """Apply a fill to the balances."""

    def affords_change(self, order: OctoBotOrder, quantity: Decimal, price: Decimal) -> bool:
        """Return whether the funds suffice for an open order's new values."""


class CreationInterceptor(Protocol):
    """Function that wraps OctoBot's order creation."""

    async def __call__(
        self, order: OctoBotOrder, create: Create, *, loaded: bool
    ) -> OctoBotOrder | None:
        """Create the order by `create()`, or raise; `loaded` ones exist at the exchange already."""
